"""`duck_or.arrow.complete` of frames: what comes in, in the frame's own Arrow types, and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from duck_or.arrow import Column, close_sessions, complete
from duck_or.errors import ArgumentError
from duck_or.simulator import Simulator
from support.how_to import as_a_user

ROWS: dict[str, list[Any]] = {
    "id": [1, 2, 3],
    "messages": [[{"role": "user", "content": text}] for text in ("a", "ö", "a")],
    "who": ["fake/echo", "fake/echo", "fake/model"],
}


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    with as_a_user(tmp_path) as running:
        yield running
        close_sessions()


@pytest.mark.parametrize("frame", [pl.DataFrame, pd.DataFrame, pa.table])
def test_a_frame_comes_back_as_a_table(simulator: Simulator, frame: Callable[[Any], Any]) -> None:
    answered = complete(frame(ROWS), model=Column("who"))
    assert isinstance(answered, pa.Table)
    assert answered["id"].to_pylist() == ROWS["id"]
    said = [
        orjson.loads(each)["choices"][0]["message"]["content"] for each in answered["response"].to_pylist()
    ]
    assert said[:2] == ["a", "ö"]
    assert simulator.stats().requests == 3
    assert pl.DataFrame(answered).width == 4


@pytest.mark.parametrize("column", [pl.Series(["a"]), pd.Series(["a"])], ids=["polars", "pandas"])
def test_a_column_is_no_table(simulator: Simulator, column: Any) -> None:
    with pytest.raises(ArgumentError, match="Series as a table"):
        complete(column)
