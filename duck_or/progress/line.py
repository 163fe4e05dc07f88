"""One line for long work: what it says, how fast the work goes, and where the line is drawn.

    with Progress(surface("auto")) as progress:
        while not done:
            progress.update(Figures(total=5_000, answered=1_204))

Words and rates are pure; time is passed in. What is worked on, and where the figures come from, it must not know. rich
and IPython are touched only when a line is drawn.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from types import TracebackType
from typing import Self

from duck_or.progress.surfaces import NotebookLine, Nothing, Surface, TerminalLine
from duck_or.wording import duration, rough_dollars, short_count

log = logging.getLogger("duck_or")

GRACE_SECONDS = 1.0  # work that is over by then shows nothing
REDRAW_SECONDS = 0.2
WINDOW_SECONDS = (
    10.0  # the rate is that of the last ten seconds: it follows a slow-down, and does not jump about
)


@dataclass(frozen=True, slots=True)
class Figures:
    """How far some work is. total: requests to send, None where nobody knows. answered, failed: those of them that are
    over. from_cache: what was answered without being sent, not in `total`. Tokens and cost_usd: of this work alone.
    budget_usd: what it may cost, None for any amount."""

    total: int | None = None
    answered: int = 0
    from_cache: int = 0
    failed: int = 0
    in_flight: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    budget_usd: float | None = None

    @property
    def over(self) -> int:
        return self.answered + self.failed

    @property
    def fraction(self) -> float | None:
        """From 0 to 1; None without a total."""
        if self.total is None:
            return None
        return min(1.0, self.over / self.total) if self.total else 1.0


def line(figures: Figures, rate: float | None, left: float | None, width: int = 100) -> str:
    """The words, in at most `width` columns if they can be: what matters least goes first.

    rate: requests per second; left: seconds; both None where not known.
    """
    tokens = figures.prompt_tokens + figures.completion_tokens
    parts = [  # the words, and how much they matter
        (_answered(figures), 9),
        (f"{figures.from_cache:,} cached" if figures.from_cache else "", 3),
        (f"{figures.failed:,} failed" if figures.failed else "", 8),
        (f"{figures.in_flight:,} in flight" if figures.in_flight else "", 2),
        (_speed(rate) if rate else "", 4),
        (f"{duration(left)} left" if left is not None and figures.total is not None else "", 7),
        (f"{short_count(tokens)} tokens" if tokens else "", 1),
        (_money(figures), 6),
    ]
    shown = [part for part in parts if part[0]]
    while len(shown) > 1 and len(_joined(shown)) > width:
        shown.remove(min(shown, key=lambda part: part[1]))
    return _joined(shown)


def _joined(parts: list[tuple[str, int]]) -> str:
    return " · ".join(words for words, _ in parts)


def _answered(figures: Figures) -> str:
    of = "" if figures.total is None else f" of {figures.total:,}"
    return f"answered {figures.answered:,}{of}"


def _speed(rate: float) -> str:
    """`41/s`, `2.5/s`, and where a second is too short to count in, `12/min`."""
    if rate < 0.95:
        return f"{rate * 60:.2g}/min"
    return f"{rate:.1f}/s" if rate < 9.95 else f"{rate:,.0f}/s"


def _money(figures: Figures) -> str:
    if figures.budget_usd is None:
        return rough_dollars(figures.cost_usd) if figures.cost_usd else ""
    return f"{rough_dollars(figures.cost_usd)} of {rough_dollars(figures.budget_usd).removesuffix('.00')}"


class Rates:
    """How fast requests come to an end, from samples of (time in seconds, how many are over). Keeps a window of them."""

    def __init__(self, window: float = WINDOW_SECONDS) -> None:
        self._window = window
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, now: float, over: int) -> None:
        self._samples.append((now, over))
        # The oldest sample kept is the newest that lies a whole window back.
        while len(self._samples) > 2 and now - self._samples[1][0] >= self._window:
            self._samples.popleft()

    def __len__(self) -> int:
        """How many samples are kept."""
        return len(self._samples)

    @property
    def per_second(self) -> float | None:
        """None until there are two samples at different times."""
        if len(self._samples) < 2:
            return None
        (first, before), (last, now) = self._samples[0], self._samples[-1]
        return max(0, now - before) / (last - first) if last > first else None

    def left(self, figures: Figures) -> float | None:
        """Seconds until all are over at this rate; None where the total or the rate is not known, or nothing moves."""
        rate = self.per_second
        if figures.total is None or not rate:
            return None
        return max(0, figures.total - figures.over) / rate


class Display(Enum):
    TERMINAL = auto()
    NOTEBOOK = auto()
    NOTHING = auto()


def choose(setting: str, terminal: bool, notebook: bool) -> Display:
    """setting: 'auto' or 'off'. terminal: stderr is one. notebook: a kernel of one runs in this process."""
    if setting == "off":
        return Display.NOTHING
    if notebook:
        return Display.NOTEBOOK
    return Display.TERMINAL if terminal else Display.NOTHING


def surface(setting: str) -> Surface:
    """Where this process can show a line, as `choose` says."""
    kinds: dict[Display, Callable[[], Surface]] = {
        Display.TERMINAL: TerminalLine,
        Display.NOTEBOOK: NotebookLine,
        Display.NOTHING: Nothing,
    }
    return kinds[choose(setting, _in_terminal(), _in_notebook())]()


def _in_terminal() -> bool:
    stream = sys.stderr  # None under pythonw
    return stream is not None and not stream.closed and stream.isatty()


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")  # a kernel has imported it; looking for it must not
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


class Progress:
    """Draws the line while it is entered: not within the first second, at most five times a second, never afterwards.

    One for each statement. It may be entered again, and by several threads at once, as a function that gets its rows in
    chunks does: the line goes when the last one leaves, the rate goes on. Fed from any thread.
    """

    def __init__(self, surface: Surface, clock: Callable[[], float] = time.monotonic) -> None:
        self._surface = surface
        self._clock = clock
        self._guard = threading.Lock()
        self._rates = Rates()
        self._entered = 0
        self._started: float | None = None
        self._next = float("-inf")
        self._last: Figures | None = None

    def __enter__(self) -> Self:
        with self._guard:
            self._entered += 1
            if self._started is None:
                self._started = self._clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._guard:
            self._entered -= 1
            if not self._entered:
                # Nothing is waited for any more: what is in flight is over, or was taken back.
                words = line(replace(self._last, in_flight=0), None, None) if self._last else ""
                self._touch(partial(self._surface.close, words if error is None else f"stopped · {words}"))

    @property
    def due(self) -> bool:
        """Whether an update would be looked at now: for callers to whom the figures cost something."""
        return self._clock() >= self._next

    def update(self, figures: Figures) -> None:
        with self._guard:
            self._last = figures
            now = self._clock()
            if now < self._next or not self._entered or self._started is None:
                return
            self._next = now + REDRAW_SECONDS
            self._rates.add(now, figures.over)
            if now - self._started >= GRACE_SECONDS:
                rate, left = self._rates.per_second, self._rates.left(figures)
                words = line(figures, rate, left, self._surface.columns)
                self._touch(partial(self._surface.draw, words, figures.fraction))

    def _touch(self, drawing: Callable[[], None]) -> None:
        """A terminal that has gone away must not cost anybody their answers: the work goes on without a line."""
        try:
            drawing()
        except OSError as error:
            log.info("the progress line cannot be shown any more: %s", error)
            gone, self._surface = self._surface, Nothing()
            with suppress(OSError):  # it gives back what it can of the terminal
                gone.close("")
