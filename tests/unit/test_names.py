"""Columns keep the names they had before their calls were marked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from duck_or.queries.names import name_calls, name_columns, text_of, unmarked
from support.rewriting import CALL, Rewriting


@pytest.fixture(scope="module")
def world() -> Iterator[Rewriting]:
    world = Rewriting()
    yield world
    world.close()


@pytest.mark.parametrize(
    "query",
    [
        "SELECT chat_completions(x) FROM t",
        "SELECT ID, chat_completions(x, model := 'A'), X AS Xx FROM t",
        "SELECT chat_completions(x), *, upper(chat_completions(x)) FROM t",
        "SELECT chat_completions(x), t.*, y, u.*, Chat_Completions(x) FROM t JOIN u USING (id)",
        "SELECT chat_completions(x) FROM t UNION ALL SELECT 'b'",
        "WITH c AS (SELECT chat_completions(x) FROM t) SELECT *, 1 + 1 FROM c",
        "SELECT \"chat_completions(x)\" || 'a' FROM (SELECT id, chat_completions(x) FROM t)",
        "SELECT unnest([1, 2]), chat_completions(x) FROM t",
    ],
)
def test_the_names_are_those_of_the_unmarked_query(world: Rewriting, query: str) -> None:
    names = world.run(query).names
    marked = query.replace("chat_completions(x", f"{CALL}(-1, x").replace(
        "Chat_Completions(x", f"{CALL}(-1, x"
    )
    marked = marked.replace(f'"{CALL}(-1, x)"', '"chat_completions(x)"')
    tree = world.tree(marked)
    name_calls(tree, world.syntax)
    name_columns(tree, names)
    text = world.syntax.text(tree)
    assert text is not None
    assert [name.lower() for name in world.run(text).names] == [name.lower() for name in names]


def test_case_is_kept_and_plain_columns_keep_their_own_names(world: Rewriting) -> None:
    tree = name_columns(world.tree("SELECT ID, F(-1, x), X FROM t"), ["id", "CHAT(x)", "x"])
    assert world.run(world.text(tree)).names == ["id", "CHAT(x)", "x"]
    assert [item["alias"] for item in tree["select_list"]] == ["", "CHAT(x)", ""]


def test_between_two_stars_no_name_is_certain(world: Rewriting) -> None:
    tree = world.tree("SELECT F(-1, x), *, F(-2, x), *, F(-3, x) FROM u, t")
    name_columns(tree, ["first", *"abcdefgh", "last"])
    assert [item["alias"] for item in tree["select_list"]] == ["first", "", "", "", "last"]


def test_a_list_of_another_length_names_nothing(world: Rewriting) -> None:
    tree = world.tree("SELECT F(-1, x), id FROM t")
    assert name_columns(tree, ["one"])["select_list"][0]["alias"] == ""


def test_unmarked_is_the_same_whatever_the_mark(world: Rewriting) -> None:
    first, second = (world.tree(f"SELECT F({mark}, x) || 'a'")["select_list"][0] for mark in (-1001, -7))
    assert text_of(unmarked(first), world.syntax) == text_of(unmarked(second), world.syntax)
    assert text_of(unmarked(first), world.syntax) == "(chat_completions(x) || 'a')"
