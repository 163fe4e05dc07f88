"""Questions collected before they are asked: each once, in order, and the answers that nobody else keeps."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from duck_or.outcome import Completion
from duck_or.statements.pending import PAGE, Pending, Question


def key(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def asked(text: str, call: int = 1, options: str = "{}", fatal: bool = True) -> tuple[bytes, Question]:
    return key(text + options), Question(call, options, text, fatal)


questions = st.lists(
    st.builds(
        asked,
        st.sampled_from("abcdef"),
        st.integers(1, 3),
        st.sampled_from(["{}", '{"model":"m"}']),
        st.booleans(),
    )
)


@given(questions, st.sets(st.integers(1, 3)))
def test_each_once_in_the_order_in_which_they_came(
    given_: Sequence[tuple[bytes, Question]], calls: set[int]
) -> None:
    pending = Pending()
    for one in given_:
        pending.add([one])
    seen: dict[tuple[bytes, int], Question] = {}
    for known, question in given_:
        seen.setdefault((known, question.call), question)
    expected: dict[bytes, Question] = {}
    for (known, call), question in seen.items():
        if call in calls:
            expected.setdefault(known, question)
    assert list(pending.questions(calls)) == list(expected.values())
    assert pending.count(calls) == len(expected)
    fatal = {known for (known, call), question in seen.items() if call in calls and question.fatal}
    assert len(list(pending.questions(calls, fatal=True))) == len(fatal)


def test_more_than_a_page_and_more_options_than_are_remembered() -> None:
    pending = Pending()
    texts = [f"q{i}" for i in range(2 * PAGE + 1)]
    pending.add([asked(text, options=f'{{"seed":{i}}}') for i, text in enumerate(texts)])
    found = list(pending.questions([1]))
    assert [question.text for question in found] == texts
    assert [question.options for question in found] == [f'{{"seed":{i}}}' for i in range(len(texts))]


def test_forgetting_begins_a_new_round_and_keeps_answers() -> None:
    pending = Pending()
    assert not pending.has_answers
    pending.add([asked("a")])
    pending.add_known([1, 2, 2])
    pending.keep(key("a"), Completion(b"{}"))
    assert (pending.count([1]), pending.count_known()) == (1, 2)
    pending.forget()
    assert (pending.count([1]), pending.count_known()) == (0, 0)
    assert pending.has_answers
    assert pending.recall([key("a"), key("b")]) == {key("a"): Completion(b"{}")}
    pending.rest()
    assert pending.recall([key("a")]) == {key("a"): Completion(b"{}")}


def test_recalling_more_than_a_page() -> None:
    pending = Pending()
    keys = [key(str(i)) for i in range(PAGE + 5)]
    for i, each in enumerate(keys):
        pending.keep(each, Completion(str(i).encode()))
    assert pending.recall(keys) == {each: Completion(str(i).encode()) for i, each in enumerate(keys)}


def test_several_threads_at_once() -> None:
    pending = Pending()

    def work(offset: int) -> None:
        for i in range(200):
            pending.add([asked(f"q{(i + offset) % 300}")])

    threads = [threading.Thread(target=work, args=(100 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pending.count([1]) == 300
    assert sorted(question.text for question in pending.questions([1])) == sorted(f"q{i}" for i in range(300))
