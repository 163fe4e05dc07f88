"""`duck-or` as a user would type it: in this process, or in one of its own where signals or imports matter."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner, Result

from duck_or.cli import main
from support.bridge import KEY

ROOT = Path(__file__).parents[2]


def duck_or(*arguments: str, stdin: str | None = None, **environment: str) -> Result:
    """Run `duck-or ARGUMENTS` here, without a terminal."""
    return CliRunner().invoke(main, arguments, input=stdin, env=environment)


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start `duck-or ARGUMENTS` as a process; the environment is this one's (see conftest) and `environment`."""
    return subprocess.Popen(
        [sys.executable, "-m", "duck_or", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        cwd=ROOT,
    )


def pointing_at(base_url: str, **more: str) -> Mapping[str, str]:
    """The environment of a user who has a key."""
    return {
        "OPENROUTER_BASE_URL": base_url,
        "OPENROUTER_API_KEY": KEY,
        "OPENROUTER_MODEL": "fake/echo",
        "OPENROUTER_RATE_LIMIT": "0",
        **more,
    }
