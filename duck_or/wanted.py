"""What kind of answer a request asks for: enough to tell, when the response comes, whether it is one.

A value that travels with the request. How an answer is judged, and what becomes of it, it must not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["chat", "embedding", "rerank"]

Demand: TypeAlias = Callable[[str], str | None]
"""Why an answer's text will not do; None where it will. Called on the event loop's thread, so it has to be quick."""


CUT_OFF = frozenset({"length", "max_tokens", "model_length"})
"""What services call it in `finish_reason` when an answer was cut off."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Shared by the requests of one template, as far as they want the same; never to be changed.

    schema: the JSON Schema that the request's `response_format` names. An answer that breaks it is returned, for it may be
    all there is, but not kept for ever. demand: what the text has to fulfil beyond doubt. An answer that does not is a
    failure, and the model is asked once more, with the reason. whole: an answer that was cut off is a failure too, and the
    model is asked once more, with more room. size: of a ranking, how many documents there are; of an embedding, how many
    dimensions it has to have, None if that is up to the model.
    """

    kind: Kind = "chat"
    schema: Mapping[str, Any] | None = None
    demand: Demand | None = None
    whole: bool = False
    size: int | None = None


ANYTHING = Wanted()
