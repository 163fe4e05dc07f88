"""The command line. `main` is the entry point of `duck-or`; each command has a module of its own."""

from __future__ import annotations

from duck_or.cli.group import main

__all__ = ["main"]
