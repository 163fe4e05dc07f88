"""Where the words of a statement stand. DuckDB's tokenizer says where each one starts and what it is; this module adds
where it ends, how deep in brackets it stands and what name it means. It knows no statement and no function.

What the tokenizer does not say, or says differently from version to version:
- Its offsets count UTF-8 bytes, ours characters.
- DuckDB reads some Unicode spaces as spaces, its tokenizer as parts of a name.
- 2.0 reports comments as tokens, 1.x leaves them out; neither says where a token ends. So comments are skipped here.
- 1.x reports adjacent strings ('a' newline 'b', one value) as one token, 2.0 as two.
- Which words are keywords differs: compare `word`, not `kind`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import duckdb

_SPACES = " \t\n\r\f\v"
# Those that DuckDB (1.4 to 2.0) takes for a space outside quotes.
_UNICODE_SPACES = dict.fromkeys([0xA0, *range(0x2000, 0x200C), 0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF], " ")
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


@dataclass(frozen=True, slots=True)
class Token:
    """One token. start, end: characters of the text. kind: 'identifier', 'keyword', 'string', 'number' or 'operator'.

    depth: how many brackets ((), [] and {}) are open around it; a bracket itself belongs to the outer depth.
    """

    start: int
    end: int
    kind: str
    text: str
    depth: int

    @property
    def name(self) -> str:
        """What it means as a name: unquoted and in lower case; empty where it is none."""
        if self.kind == "identifier" and self.text.startswith('"'):
            return self.text[1:-1].replace('""', '"').lower()
        return self.word

    @property
    def word(self) -> str:
        """A bare word in lower case, keyword or not; empty for anything else, quoted names among them."""
        bare = self.kind in ("identifier", "keyword") and not self.text.startswith('"')
        return self.text.lower() if bare else ""


def tokens(text: str) -> list[Token]:
    """The text's tokens without its comments, in order; none at all where DuckDB's tokenizer gives up on the text."""
    plain = text.translate(_UNICODE_SPACES)  # one character for another: positions stay
    found: list[Token] = []
    depth = 0
    for start, end, kind in _spans(plain):
        piece = text[start:end]
        if piece in _CLOSING:
            depth = max(0, depth - 1)
        found.append(Token(start, end, _kind(piece, kind), piece, depth))
        if piece in _OPENING:
            depth += 1
    complete = _skip(plain, found[-1].end if found else 0) == len(plain)
    return found if complete else []


class Words:
    """A statement's tokens to be cut at, without the semicolons and comments at its end. Places are token indices."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        while self.tokens and self.tokens[-1].text == ";":
            self.tokens.pop()
        self.end = len(self.tokens)

    def word(self, at: int) -> str:
        return self.tokens[at].word if at < self.end else ""

    def piece(self, start: int, stop: int) -> str:
        """The tokens start:stop as they stand in the text."""
        return self.text[self.tokens[start].start : self.tokens[stop - 1].end] if start < stop else ""

    def find(self, *words: str, start: int = 0, stop: int | None = None, depth: int = 0) -> Iterator[int]:
        """Where these words (or operators) follow each other at this depth."""
        for at in range(start, (self.end if stop is None else stop) - len(words) + 1):
            if self.tokens[at].depth == depth and self._starts(at, words):
                yield at

    def _starts(self, at: int, words: Sequence[str]) -> bool:
        run = self.tokens[at : at + len(words)]
        return all(t.depth == run[0].depth and w in (t.word, t.text) for t, w in zip(run, words, strict=True))

    def first(self, *words: str, start: int = 0, stop: int | None = None) -> int:
        """The first place of these words outside every bracket; `stop`, or the end, where there is none."""
        return next(self.find(*words, start=start, stop=stop), self.end if stop is None else stop)

    def close(self, opening: int) -> int:
        """The bracket that closes this one; the end where none does."""
        depth = self.tokens[opening].depth
        return next((at for at in range(opening + 1, self.end) if self.tokens[at].depth == depth), self.end)

    def commas(self, start: int, stop: int, depth: int = 0) -> Iterator[tuple[int, int]]:
        """The parts between commas, as start and stop."""
        for comma in [*self.find(",", start=start, stop=stop, depth=depth), stop]:
            yield start, comma
            start = comma + 1


def _spans(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and kind of every token but comments."""
    kinds = [(offset, kind.name.removesuffix("_const")) for offset, kind in duckdb.tokenize(text)]
    starts = _characters(text, (offset for offset, kind in kinds if kind != "comment"))
    names = [kind for _, kind in kinds if kind != "comment"]
    for (start, limit), kind in zip(pairwise([*starts, len(text)]), names, strict=True):
        yield start, _end(text, start, limit, kind), kind


def _kind(piece: str, kind: str) -> str:
    """The kind; `.` is a number in 2.0, `:` and `->` are keywords in 1.x, and operators here."""
    if piece == "." or (kind == "keyword" and not (piece[0].isalpha() or piece[0] == "_")):
        return "operator"
    return kind


def _characters(text: str, offsets: Iterable[int]) -> Iterator[int]:
    """Ascending byte offsets as character positions."""
    encoded = text.encode()
    byte = position = 0
    for offset in offsets:
        position += len(encoded[byte:offset].decode())
        byte = offset
        yield position


def _end(text: str, start: int, limit: int, kind: str) -> int:
    """Where the token that starts here ends: before `limit`, where the next one starts, less spaces and comments."""
    if kind == "string":
        return min(_string_end(text, start, limit), limit)
    if text[start] == '"':
        return min(_quoted_end(text, start), limit)
    bare = text[start:limit].rstrip(_SPACES)
    if "--" not in bare and "/*" not in bare:
        return start + len(bare)
    return next(at for at in range(start + 1, limit + 1) if at == limit or _skip(text, at) != at)


def _string_end(text: str, start: int, limit: int) -> int:
    if text[start] == "$":
        tag = text[start : text.find("$", start + 1) + 1]
        return text.find(tag, start + len(tag)) + len(tag)
    escapes = text[start] in "eE"
    end = _quoted_end(text, text.find("'", start), escapes)
    while (more := _skip(text, end)) < limit and text[more] == "'":  # adjacent strings, one token in 1.x
        end = _quoted_end(text, more, escapes)
    return end


def _quoted_end(text: str, start: int, escapes: bool = False) -> int:
    """The position after a quoted run, whose quote is doubled, or with `escapes` backslashed, inside it."""
    quote, at = text[start], start + 1
    while at < len(text):
        if escapes and text[at] == "\\":
            at += 2
        elif text[at] != quote:
            at += 1
        elif text.startswith(quote, at + 1):
            at += 2
        else:
            return at + 1
    return len(text)


def _skip(text: str, at: int) -> int:
    """The position after the spaces and comments that start here."""
    while at < len(text):
        if text[at] in _SPACES:
            at += 1
        elif text.startswith("--", at):
            at = _line_end(text, at)
        elif text.startswith("/*", at):
            at = _comment_end(text, at)
        else:
            break
    return at


def _line_end(text: str, at: int) -> int:
    ends = (text.find(end, at) for end in "\n\r")
    return min((end for end in ends if end >= 0), default=len(text))


def _comment_end(text: str, at: int) -> int:
    """The position after a block comment; they nest."""
    open_comments = 0
    while at < len(text):
        if text.startswith("/*", at):
            open_comments, at = open_comments + 1, at + 2
        elif text.startswith("*/", at):
            open_comments, at = open_comments - 1, at + 2
            if not open_comments:
                return at
        else:
            at += 1
    return len(text)
