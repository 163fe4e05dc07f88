"""A program that behaves like llama-server while it starts and ends, so that neither has to be installed to test that."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from duck_or.local_model import LocalModel

# Arguments as llama-server's. Loads first (503), then is ready; writes its process id and what it was given beside itself.
PROGRAM = """\
#!{python}
import http.server, json, os, pathlib, signal, sys, time

options = dict(zip(sys.argv[1:-2:2], sys.argv[2:-2:2]))
beside = pathlib.Path(__file__)
kind = pathlib.Path(options["--model"]).read_text()
print("loading", options["--model"], flush=True)
if kind == "broken":
    print("error: this file holds no weights", flush=True)
    sys.exit(3)
if kind == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
loading = [503, 503] if kind != "slow" else [503] * 1_000_000

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(loading.pop() if loading else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

server = http.server.HTTPServer((options["--host"], int(options["--port"])), Handler)
said = {{"pid": os.getpid(), "options": options, "environment": dict(os.environ)}}
beside.with_suffix(".tmp").write_text(json.dumps(said))
beside.with_suffix(".tmp").rename(beside.with_suffix(".json"))
server.serve_forever()
"""


def pretended(directory: Path, kind: str = "sound") -> LocalModel:
    """A server and weights in `directory`. kind: sound; broken, ends at once; slow, never ready; stubborn, ends by force only."""
    server, weights = directory / "llama-server", directory / "Tiny Model.gguf"
    server.write_text(PROGRAM.format(python=sys.executable))
    server.chmod(0o700)
    weights.write_text(kind)
    return LocalModel(server, weights)


def lives(pid: int) -> bool:
    """Whether there is such a process, one that has ended and was not collected left out."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
