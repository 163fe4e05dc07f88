"""How a benchmark says what it found: each figure beside the reference that was measured in the same run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Result:
    """One figure. ratio: `value` against `reference_value`, as the benchmark defines it. target: what `ratio` must reach
    ('higher' is better) or stay below ('lower'); None where the figure is for information only."""

    name: str
    value: float
    unit: str
    reference: str
    reference_value: float
    ratio: float
    target: float | None = None
    better: Literal["higher", "lower"] = "higher"

    @property
    def ok(self) -> bool:
        """Whether the target is met; a figure without one always is."""
        if self.target is None:
            return True
        return self.ratio >= self.target if self.better == "higher" else self.ratio <= self.target


def print_results(results: Iterable[Result]) -> None:
    for result in results:
        print(line(result), flush=True)


def line(result: Result) -> str:
    figures = (
        f"{result.name}: {_number(result.value)} {result.unit} = {_number(result.ratio)} x {result.reference}"
        f" ({_number(result.reference_value)} {result.unit})"
    )
    if result.target is None:
        return f"      {figures}"
    sign = "≥" if result.better == "higher" else "≤"
    return f"{'ok' if result.ok else 'SHORT':5} {figures}, target {sign} {_number(result.target)}"


def _number(value: float) -> str:
    """Three significant digits, thousands separated: 0.812, 12.3, 41,200."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
