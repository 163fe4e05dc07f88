"""`python -m duck_or.simulator`: the child process of SimulatorProcess. People have `duck-or simulate`.

Prints its base URL on one line once it listens. With `--until-stdin-closes` it cannot outlive the process that started
it, however that one ends.
"""

from __future__ import annotations

import argparse
import sys

import orjson

from duck_or.simulator.running import serve
from duck_or.simulator.scenario import Scenario


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m duck_or.simulator", description="A local OpenRouter.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--scenario", default="{}", help="knobs as a JSON object")
    parser.add_argument("--record", type=int, default=0, help="how many requests to keep")
    parser.add_argument("--until-stdin-closes", action="store_true", help="stop when standard input ends")
    arguments = parser.parse_args()
    serve(
        Scenario.from_json(orjson.loads(arguments.scenario)),
        arguments.host,
        arguments.port,
        lambda base_url: print(base_url, flush=True),
        record=arguments.record,
        until_closed=sys.stdin.fileno() if arguments.until_stdin_closes else None,
    )


if __name__ == "__main__":
    main()
