"""Pages in a real browser, without a screen: what they do when they are loaded, at several widths."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--allow-file-access-from-files",
    "--window-size=1600,1200",
)  # fmt: skip

# Goes into each page before anything of its own. It tells the frame around it what went wrong, and how the page came out.
WATCHER = """<script>
const errors = [];
for (const kind of ["error", "warn"]) {
  console[kind] = (...said) => errors.push(`${kind}: ${said.join(" ")}`);
}
addEventListener("error", (event) => errors.push(`uncaught: ${event.message}`));
addEventListener("unhandledrejection", (event) => errors.push(`rejected: ${event.reason}`));
addEventListener("securitypolicyviolation", (event) => errors.push(`blocked: ${event.blockedURI}`));
// An axis hides labels that have no room by making them transparent.
const visible = (text) => text.getBoundingClientRect().width > 0 && getComputedStyle(text).opacity > 0;
function sticksOut(text) {
  const own = text.getBoundingClientRect(), all = text.closest("svg").getBoundingClientRect();
  return own.right > all.right + 1 || own.left < all.left - 1;
}
function overlapping(texts) {
  const shown = texts.map((text) => [text.textContent, text.getBoundingClientRect()]);
  return shown.flatMap(([word, one], i) => shown.slice(i + 1).filter(([_, other]) =>
    one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom
  ).map(([other]) => `${word} | ${other}`));
}
function look() {
  const page = document.scrollingElement;
  const charts = [...document.querySelectorAll(".chart")];
  const drawn = charts.filter((chart) => chart.querySelector("svg"));
  if (drawn.length < charts.length && tries++ < 200) { setTimeout(look, 50); return; }
  parent.postMessage({
    name: window.name, errors, scroll: page.scrollWidth, width: page.clientWidth,
    charts: charts.length, drawn: drawn.length,
    resources: performance.getEntriesByType("resource").map((entry) => entry.name),
    out: [...document.querySelectorAll(".chart svg text")].filter(visible).filter(sticksOut).map((text) => text.textContent),
    overlapping: drawn.flatMap((chart) => overlapping([...chart.querySelectorAll("svg text")].filter(visible))),
  }, "*");
}
let tries = 0;
addEventListener("load", () => setTimeout(look, 100));
</script>"""

FRAMES = """<!DOCTYPE html><title>waiting</title><body>{frames}<script>
const found = {{}};
addEventListener("message", (event) => {{
  found[event.data.name] = event.data;
  if (Object.keys(found).length === {count}) document.title = JSON.stringify(found);
}});
</script>"""


@dataclass(frozen=True)
class Seen:
    """errors: of the console, uncaught, or stopped by the page's own policy. scroll, width: pixels the page wants, and has.
    charts, drawn: places for charts, and those with one. resources: what it loaded beside itself. out: words that are cut
    off. overlapping: words that lie on one another."""

    name: str
    errors: Sequence[str]
    scroll: int
    width: int
    charts: int
    drawn: int
    resources: Sequence[str]
    out: Sequence[str]
    overlapping: Sequence[str]

    @property
    def problems(self) -> list[str]:
        """In words; none where all is as it should be."""
        found = [*self.errors, *(f"loads {each}" for each in self.resources)]
        found += [f"{self.scroll - self.width} px to scroll sideways"] if self.scroll > self.width else []
        found += [f"{self.charts - self.drawn} charts missing"] if self.drawn != self.charts else []
        found += [f"cut off: {text}" for text in self.out]
        return [*found, *(f"words on one another: {each}" for each in self.overlapping)]


def browser() -> str | None:
    """The path of a browser; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def look_at(
    pages: Mapping[str, str], widths: Mapping[str, Sequence[int]], directory: Path, seconds: float = 100.0
) -> dict[str, Seen]:
    """Load each page at its widths, all in one browser: `{"name/390": …}`. directory: for what that needs."""
    frames = []
    for name, text in pages.items():
        watched = directory / f"{name}.html"
        watched.write_text(text.replace("<head>", f"<head>{WATCHER}", 1), "utf-8")
        for width in widths[name]:
            style = f"border: 0; width: {width}px; height: 900px"
            frames.append(f'<iframe name="{name}/{width}" src="{watched.name}" style="{style}"></iframe>')
    outer = directory / "frames.html"
    outer.write_text(FRAMES.format(frames="".join(frames), count=len(frames)), "utf-8")
    title = _title(outer, directory / "profile", seconds)
    return {name: Seen(**seen) for name, seen in orjson.loads(title).items()}


def _title(page: Path, profile: Path, seconds: float) -> str:
    command = [
        browser() or "",
        *FLAGS,
        f"--user-data-dir={profile}",
        "--virtual-time-budget=100000",
        "--dump-dom",
    ]
    done = subprocess.run(
        [*command, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=True,
        env={**os.environ, "HOME": str(profile)},
    )
    [title] = re.findall(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    return html.unescape(title)
