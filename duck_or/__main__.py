"""`python -m duck_or`: the command line where the `duck-or` script is not on the PATH."""

from __future__ import annotations

from duck_or.cli import main

if __name__ == "__main__":
    main(prog_name="duck-or")
