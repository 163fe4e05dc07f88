"""Run a command for as long as whoever started this lives: `python attached.py COMMAND ...`, with a pipe as standard input.

The pipe closes when its other end is closed or its process ends, in whatever way, and then the command is killed: it must
have nothing to save. Run as a file, so that it costs no import of the package. The exit code is the command's, 126 where it
cannot be run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading


def _end_with_pipe(child: subprocess.Popen[bytes]) -> None:
    os.read(0, 1)  # nobody writes; not through sys.stdin, whose lock the interpreter wants when it exits
    child.kill()  # politely asked, llama-server would finish the answers that it is at


def run(command: list[str]) -> int:
    """Run `command` until it ends or standard input does; its exit code."""
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        print(error, file=sys.stderr)
        return 126
    threading.Thread(target=_end_with_pipe, args=(child,), daemon=True).start()
    return child.wait()


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
