"""Choosing a transport: no client is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys


def test_neither_client_is_imported_before_the_first_transport_is_opened() -> None:
    code = "import sys, duck_or.engine.transports; print({'openai', 'httpx2', 'aiohttp'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
