from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from duck_or.cache.recall import OVERHEAD, Recall


def answer(text: str) -> bytes:
    return text.encode()


def test_an_answer_is_recalled_under_its_own_options_only() -> None:
    recall = Recall(1 << 20)
    recall.remember("o1", "a", answer("a"))
    assert recall.look_up("o1", ["a", "b", "a"]) == [answer("a"), None, answer("a")]
    assert recall.look_up("o2", ["a"]) == [None]


def test_what_is_used_survives_the_change_of_generations() -> None:
    recall = Recall(40 * OVERHEAD)
    recall.remember("o", "kept", answer("kept"))
    for n in range(200):
        recall.remember("o", f"other {n}", answer("x"))
        assert recall.look_up("o", ["kept"]) == [answer("kept")]
    assert recall.look_up("o", ["other 0"]) == [None]


def test_nothing_is_remembered_without_room() -> None:
    off, small = Recall(0), Recall(10 * OVERHEAD)
    off.remember("o", "a", answer("a"))
    small.remember("o", "a", b"x" * 6 * OVERHEAD)
    assert off.look_up("o", ["a"]) == small.look_up("o", ["a"]) == [None]


def test_clearing_forgets_everything() -> None:
    recall = Recall(1 << 20)
    recall.remember("o", "a", answer("a"))
    recall.clear()
    assert recall.look_up("o", ["a"]) == [None]


def test_wide_characters_and_long_options_count_as_what_they_take() -> None:
    room = 100 * OVERHEAD
    recall = Recall(room)
    for n in range(100):
        recall.remember("o", f"{n}" + "\U0001f600" * 2000, answer("x"))
        recall.remember(f"{n}" * 2000, "t", answer("x"))
        assert held(recall) <= room


TEXTS = st.text(alphabet="ab\u4e2d\U0001f600", max_size=40)


@given(st.lists(st.tuples(st.sampled_from(["o1", "o2", "o" * 900]), TEXTS)), st.integers(0, 40))
def test_it_never_lies_and_never_outgrows_its_bytes(entries: list[tuple[str, str]], room: int) -> None:
    recall = Recall(room * OVERHEAD)
    for options, text in entries:
        recall.remember(options, text, answer(options + text))
    for options, text in entries:
        assert recall.look_up(options, [text]) in ([answer(options + text)], [None])
    assert held(recall) <= room * OVERHEAD


def held(recall: Recall) -> int:
    """Bytes of the texts and bodies in both generations, as UTF-8."""
    return sum(
        len(options.encode()) + sum(len(text.encode()) + len(body) for text, body in group.items())
        for generation in (recall._young, recall._old)
        for options, group in generation.items()
    )
