"""What becomes of the SDK's exceptions: the table is complete, and each kind of row does what it says."""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Iterator

import httpx2
import openai
import pytest

from duck_or.engine.openai_transport import EXCEPTIONS, Fate, fate_of, quieten


def _subclasses(kind: type[openai.OpenAIError]) -> Iterator[type[openai.OpenAIError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _subclasses(child)


def _every_exception() -> list[type[openai.OpenAIError]]:
    """All there are once the SDK's own modules are imported, its lazily imported parts too."""
    for module in pkgutil.iter_modules(openai.__path__, "openai."):
        if module.name not in ("openai.__main__", "openai.cli"):
            importlib.import_module(module.name)
    # Other packages' and tests' subclasses are not the SDK's.
    found = {kind for kind in _subclasses(openai.OpenAIError) if kind.__module__.split(".")[0] == "openai"}
    return sorted(found, key=lambda kind: kind.__name__)


EVERY = _every_exception()


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_every_exception_of_the_sdk_has_a_row_of_its_own_or_of_a_specific_ancestor(
    kind: type[openai.OpenAIError],
) -> None:
    named = [c.__name__ for c in kind.__mro__ if c.__name__ in EXCEPTIONS]
    general = {"OpenAIError", "APIError"} - {kind.__name__}
    assert named[0] not in general, f"{kind.__name__} needs a row: see what raises it"


def test_no_row_is_left_over_from_an_older_sdk() -> None:
    assert set(EXCEPTIONS) <= {kind.__name__ for kind in EVERY} | {"OpenAIError"}


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_an_exception_that_holds_a_response_is_told_as_that_response(kind: type[openai.OpenAIError]) -> None:
    holds_response = issubclass(kind, openai.APIStatusError | openai.APIResponseValidationError)
    assert (fate_of(kind) is Fate.RESPONSE) == holds_response


def test_the_network_failed_only_where_the_sdk_says_so() -> None:
    failed = {kind for kind in EVERY if fate_of(kind) is Fate.NO_RESPONSE}
    assert failed == {openai.APIConnectionError, openai.APITimeoutError}


def test_a_subclass_yet_to_come_goes_the_way_of_its_parent() -> None:
    class TeapotError(openai.APIStatusError):
        status_code = 418

    assert fate_of(TeapotError) is Fate.RESPONSE
    request = httpx2.Request("POST", "https://host/v1")
    error = TeapotError("no", response=httpx2.Response(418, request=request), body=None)
    assert isinstance(error, openai.OpenAIError)


def test_the_http_library_is_quiet_unless_its_level_is_somebodys_choice() -> None:
    nobodys, somebodys = logging.Logger("a"), logging.Logger("b", logging.INFO)
    for logger in (nobodys, somebodys):
        quieten(logger)
        quieten(logger)
    assert [logger.getEffectiveLevel() for logger in (nobodys, somebodys)] == [logging.WARNING, logging.INFO]
    nobodys.setLevel(logging.INFO)
    quieten(nobodys)
    assert nobodys.getEffectiveLevel() == logging.INFO, "it may be chosen later, too"
