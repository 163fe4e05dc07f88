"""What `import duck_or` costs beyond duckdb and pyarrow, in new processes. `python -m benchmarks.bench_import`"""

from __future__ import annotations

import subprocess
import sys

from benchmarks.report import Result, print_results

ROUNDS = 9
SCRIPT = """
import time
import duckdb, pyarrow
middle = time.perf_counter()
{code}
print(time.perf_counter() - middle)
"""


def main() -> None:
    print_results(run())


def run() -> list[Result]:
    beyond = min(_seconds("import duck_or") for _ in range(ROUNDS))
    openai = min(_seconds("import openai") for _ in range(3))
    return [
        Result("import duck_or", beyond, "s", "the time allowed", 0.15, beyond / 0.15, 1.0, "lower"),
        Result(
            "import duck_or",
            beyond,
            "s",
            "import openai, which waits for the first request",
            openai,
            beyond / openai,
        ),
    ]


def _seconds(code: str) -> float:
    printed = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(code=code)], check=True, stdout=subprocess.PIPE
    ).stdout
    return float(printed)


if __name__ == "__main__":
    main()
