"""A real Jupyter kernel in a process of its own, and what its cells show."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager

from support.scripts import PATIENCE

COMMAND = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]


@dataclass
class Ran:
    """What a cell sent. messages: (type, content), in their order."""

    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        return [content for kind, content in self.messages if kind in kinds]

    def said(self, name: str = "stdout") -> str:
        return "".join(content["text"] for content in self.of("stream") if content["name"] == name)

    @property
    def result(self) -> dict[str, str]:
        """The cell's value, by MIME type; empty where it has none."""
        assert not self.of("error"), self.error
        return next((content["data"] for content in self.of("execute_result")), {})

    @property
    def html(self) -> str:
        return self.result["text/html"]

    @property
    def error(self) -> tuple[str, str]:
        """The error's class, and all that is shown of it."""
        [content] = self.of("error")
        return content["ename"], "\n".join(content["traceback"])

    @property
    def lines(self) -> dict[str, list[str]]:
        """The texts that each display showed, one after another, by the display's id."""
        shown: dict[str, list[str]] = {}
        for content in self.of("display_data", "update_display_data"):
            shown.setdefault(content["transient"].get("display_id", ""), []).append(
                content["data"]["text/plain"]
            )
        return shown


class Kernel:
    """One kernel and one front end of it."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self._manager = manager
        self._client = client

    def run(self, code: str) -> Ran:
        """Run a cell to its end."""
        return self.finish(self.start(code))

    def start(self, code: str) -> str:
        return str(self._client.execute(code))

    def finish(self, started: str) -> Ran:
        """What a started cell shows until it is over."""
        ran, deadline = Ran(), time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                message = self._client.get_iopub_msg(timeout=1)
            except Empty:
                assert self._manager.is_alive(), "the kernel has died"
                continue
            if message["parent_header"].get("msg_id") != started:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return ran
            if kind not in ("status", "execute_input"):
                ran.messages.append((kind, content))
        raise AssertionError(f"the cell does not end; so far it showed {ran.messages}")

    def interrupt(self) -> None:
        """What the stop button does."""
        self._manager.interrupt_kernel()


@contextmanager
def kernel_in(directory: Path, env: Mapping[str, str]) -> Iterator[Kernel]:
    """directory: for its connection file, and for IPython's own."""
    manager = KernelManager(connection_file=str(directory / "kernel.json"))
    assert manager.kernel_spec is not None
    manager.kernel_spec.argv = COMMAND
    manager.start_kernel(env={**env, "IPYTHONDIR": str(directory), "PYDEVD_DISABLE_FILE_VALIDATION": "1"})
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
