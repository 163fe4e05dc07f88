"""Several texts in one request's body, and the response to them as one response for each text.

Only the wire knows of packs: each text keeps its own cache key, made of the body that asks for it alone, and is answered
in the form in which the service answers it alone. When texts travel together this module must not know.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import orjson

from duck_or.lenient import mapping_of
from duck_or.outcome import RawResponse

MOST_TEXTS = 256
"""Texts in one request. OpenAI takes 2,048, but the answer to 256 is 2 MB already (1,536 dimensions in base64), which the
event loop parses in one piece; and a chunk of 2,048 rows in eight requests at once is back sooner than in one."""

MOST_BYTES = 300_000
"""Bytes of texts in one request. OpenAI takes 300,000 tokens, and no token is shorter than a byte."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The canonical body without its text. Requests with equal envelopes may share one.

    before, after: the bytes of the body on either side of the value of "input".
    """

    before: bytes = field(repr=False)
    after: bytes = field(repr=False)

    def body(self, inputs: Sequence[bytes]) -> bytes:
        """The request for these texts, each as JSON. For one it is the body that its cache key is made of."""
        middle = inputs[0] if len(inputs) == 1 else b"[" + b",".join(inputs) + b"]"
        return self.before + middle + self.after


class Inseparable(ValueError):
    """A response is not one vector for each text. The message says what it is instead."""


def split(response: RawResponse, sizes: Sequence[int]) -> list[RawResponse]:
    """The response to texts of so many bytes as one response for each, in their order.

    The tokens and the cost are shared out by size, and add up to the whole exactly; all else is everybody's. Raises
    Inseparable: for an error, for what is no JSON object, and for a list that does not hold each text's vector once.
    """
    parsed = _successful(response)
    entries = _in_order(parsed.get("data"), len(sizes))
    usages = shares(parsed.get("usage"), sizes)
    return [
        RawResponse(response.status, response.headers, _written(parsed, entry, usage))
        for entry, usage in zip(entries, usages, strict=True)
    ]


def _successful(response: RawResponse) -> Mapping[str, Any]:
    try:
        parsed = mapping_of(orjson.loads(response.body))
    except orjson.JSONDecodeError as error:
        raise Inseparable("the response is not JSON") from error
    if not 200 <= response.status < 300 or parsed.get("error"):
        raise Inseparable("the response is an error")
    return parsed


def _in_order(data: object, count: int) -> list[dict[str, Any]]:
    """The list's entries by their `index`, or as they come where they have none."""
    if not isinstance(data, list) or len(data) != count:
        held = len(data) if isinstance(data, list) else "no"
        raise Inseparable(f"the response to {count} texts holds {held} vectors")
    entries = [mapping_of(entry) for entry in data]
    places = [entry.get("index", place) for place, entry in enumerate(entries)]
    if any(type(place) is not int for place in places) or sorted(places) != list(range(count)):
        raise Inseparable(f"the response to {count} texts does not hold a vector for each")
    return [
        {**entry, "index": 0} for _, entry in sorted(zip(places, entries, strict=True), key=itemgetter(0))
    ]


def _written(parsed: Mapping[str, Any], entry: dict[str, Any], usage: Any) -> bytes:
    own = {"data": [entry]} | ({"usage": usage} if "usage" in parsed else {})
    return orjson.dumps({**parsed, **own})


# --- usage, shared out -------------------------------------------------------------------------------------------------


def shares(value: Any, sizes: Sequence[int]) -> list[Any]:
    """Numbers shared out in proportion to `sizes`, at any depth of an object; what is no number goes to everybody.

    sizes: positive. The shares of each number add up to it exactly, in any order.
    """
    if isinstance(value, dict):
        members = {name: shares(member, sizes) for name, member in value.items()}
        return [{name: members[name][place] for name in members} for place in range(len(sizes))]
    if type(value) is int:
        return _whole_shares(value, sizes)
    if type(value) is float:
        # A float is a whole number of its own smallest digit; shares in that digit are floats too, and so are their sums.
        mantissa, exponent = math.frexp(value)
        digits = _whole_shares(int(math.ldexp(mantissa, 53)), sizes)
        return [math.ldexp(share, exponent - 53) for share in digits]
    return [value] * len(sizes)


def _whole_shares(amount: int, sizes: Sequence[int]) -> list[int]:
    """By the largest remainder: what the rounding leaves goes, one each, to those it took most from."""
    total = sum(sizes)
    parts = [divmod(amount * size, total) for size in sizes]
    left = amount - sum(whole for whole, _ in parts)
    lucky = set(sorted(range(len(sizes)), key=lambda place: -parts[place][1])[:left])
    return [whole + (place in lucky) for place, (whole, _) in enumerate(parts)]
