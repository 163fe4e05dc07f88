"""The page about Arrow, as a reader would type it in."""

from __future__ import annotations

from pathlib import Path

from duck_or.arrow import close_sessions
from support.how_to import HOW_TO, as_a_user, run_page

PAGES = ("arrow.md",)


def test_the_page(tmp_path: Path) -> None:
    with as_a_user(tmp_path) as simulator:
        found = run_page(HOW_TO / PAGES[0], {})
        assert found["answered"].schema.names == ["id", "messages", "response"]
        assert found["answered"]["response"].null_count == 0
        assert {request.body["model"] for request in simulator.requests} == {
            "openai/gpt-5-mini",
            "openai/gpt-5-nano",
        }
        assert found["sent"] == simulator.stats().requests == 4  # one engine for the whole page
        close_sessions()
