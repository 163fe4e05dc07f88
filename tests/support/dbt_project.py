"""A dbt project of a test's own, and the real dbt on it as a user runs it: in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from duck_or.simulator import Simulator
from support.scripts import PATIENCE, environment

DBT = Path(sys.executable).with_name("dbt")
START = 3 * PATIENCE
"""Seconds for all of a dbt command: it imports and parses for a while before it runs anything."""
PATIENT = pytest.mark.timeout(4 * START)
"""For tests of several commands."""


@dataclass(frozen=True)
class Ran:
    """log: what dbt said. errors: what anything said on standard error, where dbt says nothing."""

    code: int
    log: str
    errors: str

    def lines(self, *words: str) -> list[str]:
        """The lines of the log that hold all of these words."""
        return [line for line in self.log.splitlines() if all(word in line for word in words)]


@dataclass(frozen=True)
class Project:
    """root: its directory, which is also its user's home. simulator: whom its models ask."""

    root: Path
    simulator: Simulator

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")

    def configure(self, config: dict[str, Any] | None = None, **of_dbt_duckdb: Any) -> None:
        """Write the project and its profile: 'fake/echo' answers, through two threads, unless told otherwise."""
        plugin = {"module": "duck_or.integrations.dbt", "config": config or {}}
        output = {"type": "duckdb", "path": "shop.duckdb", "threads": 2, "plugins": [plugin], **of_dbt_duckdb}
        profile = {"shop": {"target": "dev", "outputs": {"dev": output}}}
        self.write("dbt_project.yml", json.dumps({"name": "shop", "version": "1.0", "profile": "shop"}))
        self.write("profiles.yml", json.dumps(profile))

    def model(self, name: str, sql: str, materialized: str = "table", **config: Any) -> None:
        """Write a model."""
        given = ", ".join(
            f"{key}={value!r}" for key, value in {"materialized": materialized, **config}.items()
        )
        self.write(f"models/{name}.sql", f"{{{{ config({given}) }}}}\n{sql}\n")

    def dbt(self, *arguments: str, **more: str) -> Ran:
        """Run `dbt ARGUMENTS` to its end."""
        with self.running(*arguments, **more) as process:
            log, errors = process.communicate(timeout=START)
        return Ran(process.returncode, log, errors)

    @contextmanager
    def running(self, *arguments: str, **more: str) -> Iterator[subprocess.Popen[str]]:
        """`dbt ARGUMENTS` while it runs; killed at the end if it has not ended."""
        variables = environment(self.root, self.simulator.base_url, DBT_SEND_ANONYMOUS_USAGE_STATS="false")
        command = [str(DBT), "--no-use-colors", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, env=variables | more, cwd=self.root, text=True, **pipes) as process:  # type: ignore[call-overload]
            try:
                yield process
            finally:
                process.kill()

    def rows(self, sql: str) -> list[Any]:
        """What a user finds in the database afterwards, without duck_or."""
        with duckdb.connect(str(self.root / "shop.duckdb"), read_only=True) as con:
            return con.execute(sql).fetchall()
