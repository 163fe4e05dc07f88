"""The page about Ray Data, as a reader would type it in."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.how_to import HOW_TO, as_a_user, run_page

pytestmark = [
    pytest.mark.timeout(300),  # each actor imports for seconds where cores are few
    pytest.mark.filterwarnings("ignore:::ray[.]"),  # Ray warns of its own settings
]

PAGES = ("ray.md",)


def test_the_page(tmp_path: Path) -> None:
    with as_a_user(tmp_path, DUCK_OR_CACHE=str(tmp_path / "answers.sqlite")) as simulator:
        found = run_page(HOW_TO / PAGES[0], {})
        assert [set(row) for row in found["rows"]] == [{"id", "messages", "response"}] * 2
        assert all("choices" in row["opinion"] for row in found["opinions"])
        assert simulator.stats().requests == 4
