"""Which settings several workers may ask by, and what the others are told."""

from __future__ import annotations

from typing import Any

import pytest

from duck_or.arrow.travel import travelling
from duck_or.errors import SettingsError
from duck_or.settings import Settings
from support.bridge import KEY

REDIS = "redis://127.0.0.1:6379/0"


@pytest.mark.parametrize(
    ("given", "one_machine", "complaint"),
    [
        (
            {"cache_path": REDIS, "api_key": KEY},
            False,
            "api_key does not travel to the workers.*OPENROUTER_API_KEY",
        ),
        ({"cache_path": REDIS, "budget_usd": 1.0}, True, "budget_usd is kept by one process"),
        ({"cache_path": "answers.sqlite"}, False, "only through a server: cache_path='redis://"),
        ({"cache_path": None}, False, "only through a server: cache_path='redis://"),
    ],
)
def test_what_cannot_hold_is_refused(given: dict[str, Any], one_machine: bool, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint) as error:
        travelling(Settings(**given), "the workers", one_machine=one_machine, environ={})
    assert KEY not in str(error.value)


@pytest.mark.parametrize(
    ("place", "one_machine", "warned"), [(REDIS, False, False), (REDIS, True, False), ("answers.sqlite", True, True), (None, True, True)]
)  # fmt: skip
def test_a_file_is_allowed_on_one_machine_with_a_warning(
    place: str | None, one_machine: bool, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(cache_path=place)
    assert travelling(settings, "the workers", one_machine=one_machine) is settings
    assert ("each of the workers keeps rate_limit and max_in_flight for itself" in caplog.text) is warned


def test_the_key_may_be_there_already() -> None:
    settings = Settings(cache_path=REDIS, api_key=KEY)
    there = {"OPENROUTER_API_KEY": KEY}
    assert travelling(settings, "the workers", one_machine=False, environ=there) is settings
