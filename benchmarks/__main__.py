"""Every benchmark, one after another; `make bench` calls this. `python -m benchmarks [NAME …]` runs some of them."""

from __future__ import annotations

import sys
import time

from benchmarks import (
    bench_bridge,
    bench_cluster,
    bench_duplicates,
    bench_embeddings,
    bench_functions,
    bench_hits,
    bench_import,
    bench_latency,
    bench_memory,
    bench_rate_limit,
    bench_repairs,
    bench_restart,
    bench_shared_rate,
    bench_shared_store,
    bench_statement_dependent,
    bench_statement_estimate,
    bench_statement_latency,
    bench_statement_predicates,
    bench_statement_replay,
    bench_statement_sparse,
    bench_store,
    bench_ways_in,
)
from benchmarks.report import print_results

BENCHMARKS = {
    "import": bench_import.run,
    "bridge": bench_bridge.run,
    "duplicates": bench_duplicates.run,
    "hits": bench_hits.run,
    "store": bench_store.run,
    "restart": bench_restart.run,
    "latency": bench_latency.run,
    "rate_limit": bench_rate_limit.run,
    "memory": bench_memory.run,
    "statement_latency": bench_statement_latency.run,
    "sparse": bench_statement_sparse.run,
    "predicates": bench_statement_predicates.run,
    "dependent": bench_statement_dependent.run,
    "replay": bench_statement_replay.run,
    "estimate": bench_statement_estimate.run,
    "functions": bench_functions.run,
    "embeddings": bench_embeddings.run,
    "repairs": bench_repairs.run,
    "shared_store": bench_shared_store.run,
    "shared_rate": bench_shared_rate.run,
    "cluster": bench_cluster.run,
    "ways_in": bench_ways_in.run,
}


def main() -> None:
    chosen = sys.argv[1:] or list(BENCHMARKS)
    if unknown := set(chosen) - set(BENCHMARKS):
        sys.exit(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    for name in chosen:
        started = time.perf_counter()
        results = BENCHMARKS[name]()
        print(f"\n{name} ({time.perf_counter() - started:.0f} s)")
        print_results(results)


if __name__ == "__main__":
    main()
