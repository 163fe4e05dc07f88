"""10,000 texts to vectors of 1,536 floats, by a service that takes 50 ms for a request, whatever is in it.

The references send one text in a request, with as many requests in flight: a plain aiohttp client, and the same engine
where no two rows may share a request, because each names a `user` of its own (on fewer texts: the service's latency alone
decides how fast they are). Eight in flight is what a service with modest limits allows; where it allows all 256 of the
default, there is less to gain by packing, and that is shown too. No rate limit; ours writes every vector to its store.
`python -m benchmarks.bench_embeddings [--rows 10000]`
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.canned import DIMENSIONS, CannedService
from benchmarks.clients import answers_with_aiohttp, decoded, embedded_with_aiohttp
from benchmarks.measuring import timed
from benchmarks.report import Result, print_results
from benchmarks.tables import CHUNK_BY_CHUNK, WAYS, Way, connected, prompts_on_disk
from duck_or.sql.vectors import flat

LATENCY = 0.05
MODEL = "openai/text-embedding-3-small"
EMBED = f"SELECT count(embed(prompt, model := '{MODEL}')) FROM prompts"
ALONE = (
    f"SELECT count(embed(prompt, model := '{MODEL}', model_kwargs := {{'user': 'row ' || id}})) FROM prompts"
)
AIOHTTP = "aiohttp, one text a request"
FEW, MANY = 8, 256
TARGETS = {FEW: 20.0, MANY: None}
DICTIONARY = "a dictionary of the answers in an Arrow UDF"
FEWER_ROWS = 1024
"""For the references with few in flight, which would need a minute for all."""


class Figures(NamedTuple):
    """rate: texts a second. cpu: microseconds a text, of this process."""

    rate: float
    cpu: float
    requests: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    print_results(run(parser.parse_args().rows))


def run(rows: int = 10_000) -> list[Result]:
    with tempfile.TemporaryDirectory() as directory, CannedService(latency=LATENCY) as service:
        database, fewer = prompts_on_disk(directory, rows), prompts_on_disk(directory, FEWER_ROWS)
        results: list[Result] = []
        for in_flight in TARGETS:
            results += _against_one_by_one(database, fewer, rows, service, in_flight)
        results += _warm(database, Path(directory, "warm.sqlite"), rows, service)
    return results


# --- asked -------------------------------------------------------------------------------------------------------------


def _against_one_by_one(
    database: Path, fewer: Path, rows: int, service: CannedService, in_flight: int
) -> Iterator[Result]:
    texts = [f"Is review number {row} positive? It says: works as described." for row in range(rows)]
    some = texts[:FEWER_ROWS] if in_flight == FEW else texts
    url = service.base_url
    plain = _figures(
        service, len(some), lambda: asyncio.run(embedded_with_aiohttp(url, MODEL, some, in_flight))
    )
    references = {f"{AIOHTTP}, {in_flight} in flight": plain}
    if in_flight == FEW:
        alone = _asked(fewer, FEWER_ROWS, service, in_flight, WAYS[CHUNK_BY_CHUNK], ALONE)
        references["the engine, no two texts together"] = alone
    for name in (CHUNK_BY_CHUNK, "session.execute"):
        ours = _asked(database, rows, service, in_flight, WAYS[name], EMBED)
        label = f"{rows:,} texts, {in_flight} in flight, {name}"
        for reference, theirs in references.items():
            yield Result(
                label,
                ours.rate,
                "texts/s",
                reference,
                theirs.rate,
                ours.rate / theirs.rate,
                TARGETS[in_flight],
            )
        yield Result(label, ours.requests, "requests", "texts", rows, ours.requests / rows)
        yield Result(label, ours.cpu, "µs CPU a text", AIOHTTP, plain.cpu, ours.cpu / plain.cpu)


def _asked(
    database: Path, rows: int, service: CannedService, in_flight: int, way: Way, query: str
) -> Figures:
    """By a session that knows no answer yet."""
    with (
        tempfile.TemporaryDirectory() as directory,
        connected(
            database, service.base_url, Path(directory, "answers.sqlite"), max_in_flight=in_flight
        ) as con,
    ):
        figures = _figures(service, rows, lambda: _all_there(way(con, query), rows))
        assert con.session.stats().sent == rows + 1
    return figures


def _figures(service: CannedService, rows: int, work: Callable[[], object]) -> Figures:
    before, cpu = service.requests(), time.process_time()
    seconds = timed(work)
    return Figures(rows / seconds, (time.process_time() - cpu) / rows * 1e6, service.requests() - before)


def _all_there(found: list[tuple[Any, ...]], rows: int) -> None:
    assert found == [(rows,)]


# --- from the cache ----------------------------------------------------------------------------------------------------


def _warm(database: Path, store: Path, rows: int, service: CannedService) -> Iterator[Result]:
    """The same statement in a new session, and then once and twice more in that."""
    with connected(database, service.base_url, store) as con:
        _all_there(con.con.execute(EMBED).fetchall(), rows)
    simplest = _from_dictionary(database, rows, service.base_url)
    with connected(database, service.base_url, store) as con:
        for state in ("the store", "memory", "memory again"):
            seconds = timed(lambda: _all_there(con.con.execute(EMBED).fetchall(), rows))
            name = f"{rows:,} vectors from {state}"
            yield Result(
                name, rows / seconds, "vectors/s", DICTIONARY, rows / simplest, simplest / seconds
            )  # fmt: skip
        assert con.session.stats().attempts == 0


def _from_dictionary(database: Path, rows: int, base_url: str) -> float:
    """Seconds of the simplest function that has the answers: a look-up, a parse and a base64 decode for each text."""
    [answer] = asyncio.run(answers_with_aiohttp(base_url, MODEL, ["anything"], 1))
    with duckdb.connect(str(database)) as con:
        texts = [text for (text,) in con.execute("SELECT prompt FROM prompts").fetchall()]
        answers = {
            text: bytes(bytearray(answer)) for text in texts
        }  # each its own bytes, as a cache has them

        def look_up(column: Any) -> pa.Array:
            vectors = [decoded(answers[text]) for text in flat(column).to_pylist()]
            offsets = pa.array(range(0, (len(vectors) + 1) * DIMENSIONS, DIMENSIONS), pa.int32())
            return pa.ListArray.from_arrays(offsets, pa.array(np.concatenate(vectors)))

        con.create_function("look_up", look_up, ["VARCHAR"], "FLOAT[]", type="arrow")  # type: ignore[call-overload]
        query = "SELECT count(look_up(prompt)) FROM prompts"
        return min(timed(lambda: _all_there(con.execute(query).fetchall(), rows)) for _ in range(3))


if __name__ == "__main__":
    main()
