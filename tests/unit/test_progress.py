from __future__ import annotations

import io
import logging
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from duck_or.progress.line import (
    REDRAW_SECONDS,
    WINDOW_SECONDS,
    Display,
    Figures,
    Progress,
    Rates,
    choose,
    line,
)
from duck_or.progress.surfaces import WIDTH, NotebookLine, Nothing, TerminalLine

BUSY = Figures(
    total=5000,
    answered=1204,
    from_cache=310,
    in_flight=256,
    prompt_tokens=700_000,
    completion_tokens=112_345,
    cost_usd=0.4217,
    budget_usd=5,
)


# --- the words -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figures", "rate", "left", "words"),
    [
        (
            BUSY,
            41.2,
            92,
            "answered 1,204 of 5,000 · 310 cached · 256 in flight · 41/s · 1:32 left · 812k tokens · $0.42 of $5",
        ),
        (Figures(total=5000), None, None, "answered 0 of 5,000"),
        (Figures(), None, None, "answered 0"),
        (Figures(answered=3, failed=2), None, None, "answered 3 · 2 failed"),
        (Figures(answered=3), 0.2, 60, "answered 3 · 12/min"),  # no total, so no time left whatever is said
        (Figures(answered=3), 0.0, None, "answered 3"),
        (Figures(answered=3), 2.54, None, "answered 3 · 2.5/s"),
        (Figures(answered=3), 9.96, None, "answered 3 · 10/s"),
        (Figures(answered=30_000), 1204.2, None, "answered 30,000 · 1,204/s"),
        (Figures(answered=3, cost_usd=0.00012345), None, None, "answered 3 · $0.00012"),
        (Figures(budget_usd=0.5), None, None, "answered 0 · $0 of $0.50"),
        (Figures(budget_usd=12.3), None, None, "answered 0 · $0 of $12.30"),
    ],
)
def test_the_words(figures: Figures, rate: float | None, left: float | None, words: str) -> None:
    assert line(figures, rate, left) == words


def test_an_ordinary_line_says_everything_in_a_hundred_columns() -> None:
    assert len(line(BUSY, 41.2, 92)) <= 100


@pytest.mark.parametrize(
    ("width", "words"),
    [
        (
            100,
            "answered 1,204 of 5,000 · 310 cached · 2 failed · 256 in flight · 41/s · 1:32 left · $0.42 of $5",
        ),
        (80, "answered 1,204 of 5,000 · 310 cached · 2 failed · 41/s · 1:32 left · $0.42 of $5"),
        (60, "answered 1,204 of 5,000 · 2 failed · 1:32 left · $0.42 of $5"),
        (40, "answered 1,204 of 5,000 · 2 failed"),
        (5, "answered 1,204 of 5,000"),
    ],
)
def test_on_a_narrow_line_what_matters_least_goes_first(width: int, words: str) -> None:
    assert line(replace(BUSY, failed=2), 41.2, 92, width) == words


@pytest.mark.parametrize(
    ("figures", "fraction"),
    [
        (Figures(answered=5), None),
        (Figures(total=0), 1.0),
        (Figures(total=8, answered=1, failed=1), 0.25),
        (Figures(total=8, answered=9), 1.0),
    ],
)
def test_what_failed_is_over_too(figures: Figures, fraction: float | None) -> None:
    assert figures.fraction == fraction


# --- the rate ------------------------------------------------------------------------------------------------------


def rates(*samples: tuple[float, int]) -> Rates:
    found = Rates()
    for now, over in samples:
        found.add(now, over)
    return found


@pytest.mark.parametrize(
    ("samples", "per_second"),
    [
        ([], None),
        ([(0, 0)], None),
        ([(1, 0), (1, 5)], None),
        ([(0, 0), (2, 10)], 5),
        ([(0, 0), (1, 100), (11, 110), (21, 120)], 1),  # the fast beginning is forgotten
        ([(0, 0), (100, 500)], 5),  # nothing was heard meanwhile: the whole gap counts
        ([(0, 10), (1, 4)], 0),
    ],
)
def test_the_rate_is_that_of_the_last_ten_seconds(
    samples: list[tuple[float, int]], per_second: float | None
) -> None:
    assert rates(*samples).per_second == per_second


@pytest.mark.parametrize(
    ("figures", "left"),
    [
        (Figures(answered=10), None),
        (Figures(total=60, answered=8, failed=2), 10),
        (Figures(total=10, answered=10), 0),
        (Figures(total=5, answered=10), 0),
    ],
)
def test_the_time_left_is_what_remains_at_this_rate(figures: Figures, left: float | None) -> None:
    assert rates((0, 0), (2, 10)).left(figures) == left


def test_nothing_moves_so_nobody_knows_how_long() -> None:
    assert rates((0, 5), (9, 5)).left(Figures(total=10, answered=5)) is None


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 50)), min_size=2, max_size=200))
def test_a_rate_lies_within_what_was_seen_and_memory_is_bounded(steps: list[tuple[float, int]]) -> None:
    found, now, over, samples = Rates(), 0.0, 0, []
    for pause, more in steps:
        now, over = now + max(pause, REDRAW_SECONDS), over + more
        found.add(now, over)
        samples.append((now, over))
    rate = found.per_second
    speeds = [(b - a) / (t - s) for (s, a), (t, b) in pairwise(samples)]
    assert rate is not None
    assert min(speeds) - 1e-6 <= rate <= max(speeds) + 1e-6
    assert len(found) <= WINDOW_SECONDS / REDRAW_SECONDS + 2


# --- where it is drawn ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "terminal", "notebook", "display"),
    [
        ("auto", True, False, Display.TERMINAL),
        ("auto", False, True, Display.NOTEBOOK),
        ("auto", True, True, Display.NOTEBOOK),
        ("auto", False, False, Display.NOTHING),
        ("off", True, False, Display.NOTHING),
        ("off", False, True, Display.NOTHING),
    ],
)
def test_the_line_is_drawn_where_somebody_sees_it(
    setting: str, terminal: bool, notebook: bool, display: Display
) -> None:
    assert choose(setting, terminal, notebook) is display


def surface_in(program: str) -> str:
    """The class of the surface that a process without a terminal gets, after `program`."""
    tail = "; from duck_or.progress.line import surface; print(type(surface('auto')).__name__)"
    done = subprocess.run([sys.executable, "-c", program + tail], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("import sys", "Nothing"),
        ("import sys; sys.stderr = None", "Nothing"),
        ("import sys; sys.stderr.isatty = lambda: True", "TerminalLine"),
        (
            "import sys, types; sys.modules['IPython'] = types.SimpleNamespace(get_ipython=lambda: "
            "types.SimpleNamespace(kernel=1))",
            "NotebookLine",
        ),
        ("import sys, types; sys.modules['IPython'] = types.SimpleNamespace(get_ipython=object)", "Nothing"),
    ],
)
def test_a_process_is_asked_what_it_has(program: str, name: str) -> None:
    assert surface_in(program) == name


def test_importing_progress_imports_neither_rich_nor_ipython() -> None:
    program = "import sys, duck_or.progress.line; print(*{'rich', 'IPython'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# --- when it is drawn ----------------------------------------------------------------------------------------------


class Paper:
    """A surface that keeps what was drawn on it."""

    columns = WIDTH

    def __init__(self) -> None:
        self.drawn: list[tuple[str, float | None]] = []
        self.closed: list[str] = []

    def draw(self, words: str, fraction: float | None) -> None:
        self.drawn.append((words, fraction))

    def close(self, words: str) -> None:
        self.closed.append(words)


class Desk:
    """A progress on paper, and its clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.paper = Paper()
        self.progress = Progress(self.paper, lambda: self.now)

    def update(self, seconds_later: float, figures: Figures) -> None:
        self.now += seconds_later
        self.progress.update(figures)


def test_work_that_is_over_within_a_second_shows_nothing() -> None:
    desk = Desk()
    with desk.progress:
        for answered in range(9):
            desk.update(0.11, Figures(10, answered))
    assert desk.paper.drawn == []


def test_long_work_is_drawn_with_its_rate_and_the_time_left() -> None:
    desk = Desk()
    with desk.progress:
        desk.update(0.0, Figures(100, 0))
        desk.update(1.0, Figures(100, 10))
        desk.update(1.0, Figures(100, 18, failed=2))
    assert desk.paper.drawn == [
        ("answered 10 of 100 · 10/s · 0:09 left", 0.1),
        ("answered 18 of 100 · 2 failed · 10/s · 0:08 left", 0.2),
    ]
    assert desk.paper.closed == ["answered 18 of 100 · 2 failed"]


def test_it_is_drawn_at_most_five_times_a_second() -> None:
    desk = Desk()
    with desk.progress:
        for n in range(3000):
            desk.update(0.001, Figures(None, n))
    assert 9 <= len(desk.paper.drawn) <= 11


def test_a_caller_can_ask_whether_an_update_would_be_looked_at() -> None:
    desk = Desk()
    with desk.progress:
        due = [desk.progress.due]
        desk.update(0.0, Figures())
        for _ in range(3):
            due.append(desk.progress.due)
            desk.now += 0.15
    assert due == [True, False, False, True]


def test_the_last_figures_are_the_ones_to_remember() -> None:
    desk = Desk()
    with desk.progress:
        desk.update(2.0, Figures(10, 1))
        desk.update(0.01, Figures(10, 10))
    assert len(desk.paper.drawn) == 1
    assert desk.paper.closed == ["answered 10 of 10"]


def test_when_it_is_over_nothing_is_in_flight() -> None:
    desk = Desk()
    with desk.progress:
        desk.update(2.0, Figures(10, 9, in_flight=1))
    assert desk.paper.closed == ["answered 9 of 10"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_the_line_is_closed_when_work_is_broken_off(error: type[BaseException]) -> None:
    desk = Desk()

    def work() -> None:
        with desk.progress:
            desk.update(2.0, Figures(10, 1))
            raise error

    with pytest.raises(error):
        work()
    assert desk.paper.closed == ["stopped · answered 1 of 10"]


def test_entered_for_each_chunk_it_goes_on_where_it_was() -> None:
    desk = Desk()
    for n in range(1, 5):
        with desk.progress:
            desk.update(0.4, Figures(answered=10 * n))
    assert [words for words, _ in desk.paper.drawn] == ["answered 30 · 25/s", "answered 40 · 25/s"]


def test_the_line_goes_when_the_last_thread_leaves() -> None:
    desk = Desk()
    with desk.progress:
        with desk.progress:
            desk.update(2.0, Figures(answered=1))
        assert desk.paper.closed == []
    assert desk.paper.closed == ["answered 1"]


def test_what_comes_after_the_end_is_not_drawn() -> None:
    desk = Desk()
    with desk.progress:
        desk.update(2.0, Figures(answered=1))
    desk.update(2.0, Figures(answered=2))
    assert len(desk.paper.drawn) == 1


def test_a_terminal_that_has_gone_does_not_stop_the_work(caplog: pytest.LogCaptureFixture) -> None:
    class Gone(Paper):
        def draw(self, words: str, fraction: float | None) -> None:
            super().draw(words, fraction)
            raise OSError("terminal gone")

    paper, now = Gone(), iter(range(100))
    with caplog.at_level(logging.INFO), Progress(paper, lambda: float(next(now))) as progress:
        for n in range(5):
            progress.update(Figures(answered=n))
    assert len(paper.drawn) == len(paper.closed) == 1
    assert "terminal gone" in caplog.text


def test_nothing_draws_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    desk = Desk()
    desk.progress = Progress(Nothing(), lambda: desk.now)
    with desk.progress:
        desk.update(2.0, BUSY)
    assert capfd.readouterr() == ("", "")


# --- in a terminal -------------------------------------------------------------------------------------------------

HIDE, SHOW, ERASE = "\x1b[?25l", "\x1b[?25h", "\x1b[2K"


def terminal(width: int) -> tuple[TerminalLine, Callable[[], str]]:
    console = Console(
        file=io.StringIO(), force_terminal=True, width=width, color_system=None, legacy_windows=False
    )
    written: Any = console.file
    return TerminalLine(console), written.getvalue


@pytest.mark.parametrize("width", [30, 80, 100, 120, 200])
def test_a_terminal_shows_one_line_that_fits_and_goes(width: int) -> None:
    shown, written = terminal(width)
    shown.draw(line(BUSY, 41.2, 92, shown.columns), 0.25)
    (drawn,) = [row for row in written().replace("\r", "").splitlines() if "answered" in row]
    text = drawn.replace(HIDE, "").replace(ERASE, "")
    assert "━" in text
    assert text.index("━") < text.index("answered 1,204")
    assert len(text) <= width
    shown.draw("more", 0.5)
    shown.close("answered 5,000 of 5,000")
    assert written().count("\n") <= 1  # rich leaves the line and takes it back
    assert written().endswith(ERASE)
    assert written().index(HIDE) < written().index(SHOW)
    assert "5,000 of 5,000" not in written()


def test_a_bar_grows_with_the_work() -> None:
    def bar(fraction: float) -> int:
        shown, written = terminal(120)
        shown.draw("", fraction)
        return written().count("━")

    assert bar(0.0) < bar(0.5) < bar(1.0)


def test_without_a_total_a_spinner_turns() -> None:
    shown, written = terminal(100)
    shown.draw("answered 7", None)
    assert "━" not in written()
    assert any(frame in written() for frame in "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
    shown.close("")


def test_a_terminal_line_can_be_drawn_again_after_it_went() -> None:
    shown, written = terminal(100)
    for _ in range(2):
        shown.draw("answered 7", None)
        shown.close("")
    assert written().count(HIDE) == written().count(SHOW) == 2
    shown.close("")  # nothing is shown: nothing to do
    assert written().count(SHOW) == 2


def test_a_result_on_stdout_is_left_alone() -> None:
    shown, _ = terminal(100)
    before = sys.stdout
    shown.draw("answered 7", None)
    during = sys.stdout
    shown.close("")
    assert during is before


# --- in a notebook -------------------------------------------------------------------------------------------------


class Cell:
    """What a notebook's cell shows. `display` is IPython's."""

    def __init__(self) -> None:
        self.outputs: list[Any] = []

    def display(self, shown: Any, *, display_id: bool) -> Cell:
        assert display_id is True
        self.outputs.append([shown])
        return self

    def update(self, shown: Any) -> None:
        self.outputs[-1].append(shown)


def test_a_notebook_updates_one_output_and_keeps_its_last_words() -> None:
    cell = Cell()
    shown = NotebookLine(cell.display)
    shown.draw("answered 1 of 4", 0.25)
    shown.draw("answered 2 of 4", 0.5)
    shown.close("answered 4 of 4")
    (output,) = cell.outputs
    assert [repr(step) for step in output] == ["answered 1 of 4", "answered 2 of 4", "answered 4 of 4"]
    assert '<progress value="0.2500"' in output[0]._repr_html_()
    assert output[-1]._repr_html_() == "<div><span>answered 4 of 4</span></div>"


def test_a_notebook_without_a_total_shows_that_something_moves() -> None:
    cell = Cell()
    NotebookLine(cell.display).draw("answered <1>", None)
    html = cell.outputs[0][0]._repr_html_()
    assert "<progress style" in html
    assert "answered &lt;1&gt;" in html


def test_a_notebook_shows_nothing_when_nothing_was_drawn() -> None:
    cell = Cell()
    NotebookLine(cell.display).close("answered 4 of 4")
    assert cell.outputs == []
