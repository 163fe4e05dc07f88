"""llm_reduce in levels: which texts go into one question, and what is asked after the answers came.

Texts are taken in their order, as many as fit, so that a list that has grown asks anew only about its end. Pure: how long
the model's context is, it is told; who asks, it must not know.

    texts ── fit into one question ──→ whole ──────────────────────────→ the result
          └─ do not ──→ part, part, part … ──→ (merge, merge …)* ──→ merge ──→ the result
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

BYTES_PER_TOKEN = 3
"""Of UTF-8 text: English has 4 and more, Chinese 3; code and numbers come down to 3."""

SHARE_OF_CONTEXT = 0.5
"""What the texts may fill of it: the rest is for the instruction, the answer, and what the estimate is off."""

UNKNOWN_CONTEXT = 8_192
"""Tokens, where neither the call nor the service's list of models says."""

SMALL = 6_000
"""Bytes that fit into any context (4,096 tokens): for so few, nobody needs to be asked how long it is."""

TAGS = 16
"""Bytes around each text."""

SHORTEST_PIECE = 4
"""Bytes of the longest character: a piece of a text holds at least one whole."""


class NotShorter(ValueError):
    """The results of the parts are together no shorter than what they were made of."""


def room_for(context_length: int | None) -> int:
    """Bytes of text that may go into one question. context_length: the model's, in tokens; None if it is not known."""
    return int((context_length or UNKNOWN_CONTEXT) * SHARE_OF_CONTEXT * BYTES_PER_TOKEN)


def size(texts: Sequence[str]) -> int:
    """Bytes that these texts take in a question."""
    return sum(len(text.encode()) + TAGS for text in texts)


def batches(texts: Sequence[str], room: int) -> list[list[str]]:
    """The texts in order, in lists of at most `room` bytes; a longer text is cut into pieces."""
    if size(texts) <= room:
        return [list(texts)]
    found: list[list[str]] = [[]]
    left = room
    for piece in _pieces(texts, max(SHORTEST_PIECE, room - TAGS)):
        needed = len(piece.encode()) + TAGS
        if needed > left and found[-1]:
            found.append([])
            left = room
        found[-1].append(piece)
        left -= needed
    return found


def _pieces(texts: Sequence[str], longest: int) -> Iterator[str]:
    for text in texts:
        encoded = text.encode()
        start = 0
        while len(encoded) - start > longest:
            end = start + longest
            while encoded[end] & 0xC0 == 0x80:  # in the middle of a character
                end -= 1
            yield encoded[start:end].decode()
            start = end
        yield encoded[start:].decode()


@dataclass(slots=True)
class Reduction:
    """One list on its way to one text. Ask `questions` under `step`, and hand the answers to `take`, until a level is
    `final`: then the answer to its one question is the result."""

    texts: Sequence[str]
    room: int
    step: str = "whole"
    questions: list[list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self.questions = batches(self.texts, self.room)
        if len(self.questions) > 1:
            self.step = "part"

    @property
    def final(self) -> bool:
        return self.step != "part" and len(self.questions) == 1

    def take(self, answers: Sequence[str]) -> None:
        """Go on to the next level with the texts of this one's answers, in the order of the questions. Raises NotShorter."""
        asked = len(self.questions)
        self.step = "merge"
        self.questions = batches(answers, self.room)
        if len(self.questions) >= asked:
            raise NotShorter(
                f"the results of {asked} parts are together as long as the parts were; ask for something shorter in the "
                "instruction"
            )
