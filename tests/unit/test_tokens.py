from __future__ import annotations

from itertools import pairwise

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.queries.tokens import Words, tokens


def texts(text: str) -> list[str]:
    return [token.text for token in tokens(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select f(1)", ["select", "f", "(", "1", ")"]),
        ("select 'é', f(日) from ß", ["select", "'é'", ",", "f", "(", "日", ")", "from", "ß"]),
        ("a -- é it's f(\n, b", ["a", ",", "b"]),
        ("a--b\rc", ["a", "c"]),
        ("a/* b /* c */ ' */+/**/b -- d", ["a", "+", "b"]),
        ("'it''s' || E'a\\'b -- c' x", ["'it''s'", "||", "E'a\\'b -- c'", "x"]),
        ("$$a'b$$ , $tag$ $$ -- $tag$ x", ["$$a'b$$", ",", "$tag$ $$ -- $tag$", "x"]),
        ('"a""B -- c"/* d */."F" (1)', ['"a""B -- c"', ".", '"F"', "(", "1", ")"]),
        ("a\u00a0f (1)\u3000+ 'x\u00a0y'", ["a", "f", "(", "1", ")", "+", "'x\u00a0y'"]),
        ("t.*,-1;", ["t", ".", "*", ",", "-", "1", ";"]),
        ("-- nothing", []),
        ("", []),
    ],
)
def test_where_tokens_start_and_end(text: str, expected: list[str]) -> None:
    assert texts(text) == expected
    assert all(text[token.start : token.end] == token.text for token in tokens(text))


def test_adjacent_strings_end_after_the_last_one() -> None:
    text = "select 'a' \n 'it''s' , b"
    assert [token.end for token in tokens(text) if token.kind == "string"][-1] == text.index(" , b")


def test_depth_counts_brackets_outside_strings_and_comments() -> None:
    found = tokens("f([a], {'(': b}) /* ( */ + ')' + c")
    depths = {token.text: token.depth for token in found if token.name or token.text in ("(", ")")}
    assert depths == {"f": 0, "(": 0, "a": 2, "b": 2, ")": 0, "c": 0}


@pytest.mark.parametrize(
    ("text", "name", "word"),
    [
        ("Chat", "chat", "chat"),
        ('"Chat ""x"""', 'chat "x"', ""),
        ("SELECT", "select", "select"),
        ('"select"', "select", ""),
        ("'select'", "", ""),
        ("12", "", ""),
        (".", "", ""),
    ],
)
def test_names_and_words(text: str, name: str, word: str) -> None:
    (token,) = tokens(text)
    assert (token.name, token.word) == (name, word)


@pytest.mark.parametrize("text", ["select f(1), 'open", "select /* open", 'select "open'])
def test_never_more_than_the_text(text: str) -> None:
    assert all(0 <= token.start < token.end <= len(text) for token in tokens(text))


def test_words_are_cut_outside_brackets_and_without_the_end() -> None:
    words = Words('select a, (b, from c) from "from" -- d\n where 1 ; ; -- e')
    source = words.first("from")
    assert words.piece(source, words.first("where")) == 'from "from"'
    assert words.piece(source, words.end) == 'from "from" -- d\n where 1'
    assert [words.piece(*part) for part in words.commas(1, source)] == ["a", "(b, from c)"]
    assert words.close(words.first("(")) == source - 1
    assert words.first("order", "by") == words.end
    assert words.first("order", stop=5) == 5
    assert words.word(words.end) == ""


PIECES = st.sampled_from(
    [
        "a",
        "Bé",
        '"q""u"',
        "'s''t'",
        "$$d'$$",
        "E'\\''",
        "1.5",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ".",
        "+",
        "->>",
        "日",
    ]
)
GAPS = st.sampled_from([" ", "\n", "\t ", " -- é '\n", " /* ( /* ' */ */ ", "\u00a0", "\u3000"])


@given(st.lists(st.tuples(PIECES, GAPS), max_size=12), st.sampled_from(["", " -- end", "/* end */"]))
def test_pieces_come_back_whatever_stands_between_them(pairs: list[tuple[str, str]], tail: str) -> None:
    pieces = [piece for piece, _ in pairs]
    # Two strings with a line break between them are one value.
    if any({a[0], b[0]} <= {"'", "E"} for a, b in pairwise(pieces)):
        return
    assert texts("".join(piece + gap for piece, gap in pairs) + tail) == pieces


@given(st.text(st.sampled_from("ab '\"$-/*(\n.é1Ee\\;"), max_size=30))
def test_any_text_gives_ordered_tokens_and_what_is_between_is_not_sql(text: str) -> None:
    found = tokens(text)
    edges = [0, *(edge for token in found for edge in (token.start, token.end)), len(text)]
    assert edges == sorted(edges)
    for gap in zip(edges[::2], edges[1::2], strict=True) if found else ():
        assert not [kind for _, kind in duckdb.tokenize(text[slice(*gap)]) if kind.name != "comment"]
