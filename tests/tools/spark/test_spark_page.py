"""The page about Spark, as a reader would type it in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from support.how_to import HOW_TO, as_a_user, run_page

pytestmark = pytest.mark.timeout(300)  # each worker imports for seconds where cores are few

PAGES = ("spark.md",)


def test_the_page(spark: SparkSession, tmp_path: Path) -> None:
    namespace: dict[str, Any] = {}
    shown: list[Any] = []
    with as_a_user(tmp_path, DUCK_OR_CACHE=str(tmp_path / "answers.sqlite")):
        run_page(
            HOW_TO / PAGES[0], namespace, lambda query: shown.append(namespace["spark"].sql(query).collect())
        )
        assert [len(rows) for rows in shown] == [2, 2]
        assert {row.mood for row in shown[1]} <= {"good", "bad"}
        assert all(isinstance(row.broken, bool) and isinstance(row.days, int) for row in shown[1])
        assert [row.id for row in namespace["short"].orderBy("id").collect()] == [1, 2]
