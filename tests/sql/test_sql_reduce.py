"""llm_reduce in SQL: lists of any length, level by level, each level kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from duck_or.simulator import Scenario
from support.bridge import Bridge
from support.family import family_bridge, last_error, raised

ECHO = "model := 'fake/echo'"
ROOM = 300
"""Tokens. Half of it is 450 bytes: two of the simulator's sentences fit, or ten of the texts below."""


@pytest.fixture(scope="module")
def family() -> Iterator[Bridge]:
    with family_bridge() as bridge:
        yield bridge


def reduced(texts: str, instruction: str, more: str = f"context_length := {ROOM}") -> str:
    return f"llm_reduce({texts}, '{instruction}', {more})"


def many(count: int) -> str:
    return f"(SELECT i AS id, 'this is text number ' || i AS x FROM range({count}) r(i))"


def steps(bridge: Bridge, instruction: str) -> list[str]:
    """Which step each question with this instruction was, in the order they were asked."""
    words = {
        "You": "",
        "gives you a list": "whole",
        "gives you one part": "part",
        "was worked on in parts": "merge",
    }
    systems = [body["messages"][0]["content"] for body in bridge.bodies() if len(body["messages"]) > 1]
    return [
        next(step for said, step in words.items() if said in system)
        for system in systems
        if instruction in system
    ]


def texts_asked(bridge: Bridge, instruction: str) -> list[str]:
    """The texts within the questions with this instruction."""
    bodies = [body["messages"] for body in bridge.bodies()]
    users = [said[-1]["content"] for said in bodies if instruction in said[0]["content"]]
    return [text for user in users for text in re.findall(r"<text>\n(.*?)\n</text>", user, re.DOTALL)]


# --- what is reduced ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "asked"),
    [
        ("['a', NULL, 'b', ' ', 'a']", ["a", "b", "a"]),
        ("[1, 2]", ["1", "2"]),
        ("[DATE '2026-01-02']", ["2026-01-02"]),
        ("[1.50::DECIMAL(9, 2)::VARCHAR, 'nan'::DOUBLE::VARCHAR]", ["1.50", "nan"]),
        ("[{'a': 1}]", ['{"a":1}']),
        ("['a', 'b']::VARCHAR[2]", ["a", "b"]),
        ('\'["a", "b"]\'::JSON', ["a", "b"]),
        ("string_split('x,y', ',')", ["x", "y"]),
    ],
)
def test_the_texts_of_a_list(family: Bridge, texts: str, asked: list[str]) -> None:
    answer = family.value(f"SELECT llm_reduce({texts}, 'Count.', {ECHO})")
    assert re.findall(r"<text>\n(.*)\n</text>", answer) == asked


def test_each_group_is_one_question_where_it_fits(family: Bridge) -> None:
    query = f"""SELECT k, llm_reduce(list(x ORDER BY x), 'Of each group.', {ECHO}) FROM (VALUES (1, 'a'), (1, 'b'), (2, 'c'),
        (2, NULL), (3, NULL), (4, 'a'), (4, 'b')) v(k, x) GROUP BY k ORDER BY k"""
    ab, c = "<text>\na\n</text>\n<text>\nb\n</text>", "<text>\nc\n</text>"
    assert family.rows(query) == [(1, ab), (2, c), (3, None), (4, ab)]
    assert steps(family, "Of each group.") == ["whole"] * 2, "equal groups are asked about once"


def test_beside_other_aggregates_and_in_having(family: Bridge) -> None:
    query = f"""SELECT k, count(*), llm_reduce(list(x ORDER BY x) FILTER (WHERE x > 'a'), 'Filtered.', {ECHO}) AS r
        FROM (VALUES (1, 'a'), (1, 'b'), (2, 'a')) v(k, x) GROUP BY k HAVING r IS NOT NULL"""
    assert family.rows(query) == [(1, 2, "<text>\nb\n</text>")]


# --- levels ------------------------------------------------------------------------------------------------------------


def test_every_level_is_kept(family: Bridge) -> None:
    query = f"SELECT {reduced('list(x ORDER BY id)', 'In levels.')} FROM {many(120)}"
    answer = family.value(query)
    asked = steps(family, "In levels.")
    assert asked[:10] == ["part"] * 10
    assert asked == sorted(asked, key=["part", "merge"].index)
    parts, merges = asked.count("part"), asked.count("merge")
    assert merges >= parts / 2 + 2, "three levels of them"
    sent = family.sent
    assert family.value(query) == answer
    assert family.sent == sent

    longer = query.replace("120", "121")
    assert family.value(longer) != answer
    assert 2 <= family.sent - sent <= 7, "the last part, and what depends on it"


def test_groups_go_through_their_levels_by_themselves(family: Bridge) -> None:
    query = f"""SELECT least(id, 60) // 30 AS k, {reduced("list(x ORDER BY id)", "By groups.")} IS NOT NULL
        FROM {many(62)} GROUP BY k ORDER BY k"""
    assert family.rows(query) == [(0, True), (1, True), (2, True)]
    asked = steps(family, "By groups.")
    assert asked.count("whole") == 1
    assert asked.count("part") == 6
    alone = f"SELECT {reduced('list(x ORDER BY id)', 'By groups.')} FROM {many(30)}"
    sent = family.sent
    family.rows(alone)
    assert family.sent == sent, "the first group, again"


@pytest.mark.parametrize("context", [3, 60, 300])
def test_a_text_that_is_too_long_is_cut_between_characters(family: Bridge, context: int) -> None:
    instruction = f"Cut at {context}."
    text = "日本語 🦆 é " * 40
    family.rows(f"SELECT try_{reduced('[$1]', instruction, f'context_length := {context}')}", [text])
    asked = texts_asked(family, instruction)
    pieces = [piece for piece in asked if "Simulated" not in piece]
    assert all(piece in text for piece in pieces)
    assert set("".join(pieces)) == set(text)
    assert all(len(piece.encode()) <= max(4, context * 3 // 2 - 16) for piece in pieces)


def test_the_models_context_is_looked_up_where_it_matters(family: Bridge) -> None:
    family.simulator.scenario = Scenario(check_context=True)
    before = family.simulator.stats()
    short = "model := 'fake/short'"
    assert family.value(f"SELECT {reduced('list(x ORDER BY id)', 'Few.', short)} IS NOT NULL FROM {many(9)}")
    assert family.simulator.stats().other_requests == before.other_requests
    assert family.value(
        f"SELECT {reduced('list(x ORDER BY id)', 'Many.', short)} IS NOT NULL FROM {many(400)}"
    )
    assert family.simulator.stats().refused == before.refused
    assert {"part", "merge"} == set(steps(family, "Many."))
    family.simulator.scenario = Scenario()


# --- failures ----------------------------------------------------------------------------------------------------------


def test_a_part_that_fails_fails_its_group_alone(family: Bridge) -> None:
    model = f"context_length := {ROOM}, model := if(k = 1, 'fake/err-400', 'fake/model')"
    query = f"""SELECT k, try_{reduced("list(x ORDER BY id)", "Some fail.", model)} IS NULL
        FROM (SELECT *, id // 20 AS k FROM {many(60)}) GROUP BY k ORDER BY k"""
    assert family.rows(query) == [(0, False), (1, True), (2, False)]
    code, _, _, asked = last_error(family)
    assert (code, asked) == ("bad_request", "fake/err-400")
    assert "bad_request" in raised(family, query.replace("try_", ""))


def test_results_that_get_no_shorter_are_an_error(family: Bridge) -> None:
    query = f"SELECT try_{reduced('list(x ORDER BY id)', 'No end.', f'context_length := {ROOM}, {ECHO}')} FROM {many(60)}"
    assert family.value(query) is None
    code, message, *_ = last_error(family)
    assert code == "invalid_answer"
    assert "ask for something shorter in the instruction" in message
    assert set(steps(family, "No end.")) == {"part"}


@pytest.mark.parametrize("row", ["'a'", "7", "{'a': 'b'}"])
def test_what_is_no_list_says_how_to_make_one(family: Bridge, row: str) -> None:
    message = raised(family, f"SELECT llm_reduce({row}, 'Count.')")
    assert "ArgumentError: llm_reduce: the first argument must be a list of texts, list(column)" in message
    assert family.value(f"SELECT try_llm_reduce({row}, 'Count.')") is None


def test_a_number_that_json_does_not_have_fails_its_group_alone(family: Bridge) -> None:
    query = """SELECT k, try_llm_reduce(list(x), 'Numbers.') IS NULL
        FROM (VALUES (1, 0.5), (2, 'nan'::DOUBLE)) v(k, x) GROUP BY k ORDER BY k"""
    assert family.rows(query) == [(1, False), (2, True)]
    assert last_error(family)[0] == "bad_argument"
    assert "JSON has no NaN" in raised(family, "SELECT llm_reduce(['nan'::DOUBLE], 'Numbers.')")


def test_a_session_with_the_same_file_sends_nothing(connect: Callable[..., Bridge], tmp_path: object) -> None:
    first, second = (connect(cache_path=f"{tmp_path}/cache.sqlite", model="fake/model") for _ in range(2))
    query = f"SELECT {reduced('list(x ORDER BY id)', 'Kept.')} FROM {many(60)}"
    answer, sent = first.value(query), first.sent
    assert second.value(query) == answer
    assert second.sent == sent
