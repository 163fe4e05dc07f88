"""Faults of embeddings: vectors in another order, too few of them, or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from duck_or.simulator.faults.fault import Fault, MakeReply, Situation, vectors
from duck_or.simulator.reply import Reply, json_reply


def _rows(edit: Callable[[list[dict[str, Any]]], Any]) -> MakeReply:
    """The normal answer with `data` edited."""

    def reply(situation: Situation) -> Reply:
        answer = situation.completion()
        return json_reply({**answer, "data": edit(answer["data"])})

    return reply


# fmt: off
VECTOR_FAULTS = (
    Fault("embeddings-shuffled", "the vectors come last first, each with its index: a real answer", _rows(lambda rows: rows[::-1]), billed=True, strikes=vectors),
    Fault("embeddings-short", "the last vector is missing", _rows(lambda rows: rows[:-1]), billed=True, strikes=vectors),
    Fault("embeddings-null", "`data` is null", _rows(lambda rows: None), strikes=vectors),
)
# fmt: on
