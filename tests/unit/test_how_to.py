"""The harness for how-to pages, and that no page is left out."""

from __future__ import annotations

import ast
import os
import traceback
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from support.how_to import HOW_TO, as_a_user, blocks, run_page

TESTS = Path(__file__).parents[1]


def page_of(directory: Path, text: str) -> Path:
    page = directory / "page.md"
    page.write_text(text, "utf-8")
    return page


def test_blocks_say_what_they_are_and_where(tmp_path: Path) -> None:
    text = "# Title\n```python\na = 1\n```\n\n```sql no-run\nSELECT 1\n```\n```\ntext\n```\n"
    found = [
        (block.language, block.code, block.line, block.runs) for block in blocks(page_of(tmp_path, text))
    ]
    assert found == [
        ("python", "a = 1\n", 3, True),
        ("sql", "SELECT 1\n", 7, False),
        ("", "text\n", 10, False),
    ]


def test_a_block_may_stand_in_a_list_and_hold_fences(tmp_path: Path) -> None:
    text = "- so:\n  ````python\n  a = '''\n  ```\n  '''\n  ````\n"
    [block] = blocks(page_of(tmp_path, text))
    assert block.code == "a = '''\n```\n'''\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x\n```python\na = 1\n", "page.md:2: this block is never closed"),
        ("```python norun\na = 1\n```\n", "page.md:1: norun"),
    ],
)
def test_a_page_that_cannot_be_read_says_where(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        blocks(page_of(tmp_path, text))


def test_blocks_run_in_order_in_one_namespace(tmp_path: Path) -> None:
    text = (
        "```python\nimport duckdb\n\ncon = duckdb.connect()\n```\n"
        "```sql\nCREATE TABLE t (i INT);\nINSERT INTO t VALUES (1), (2);\n```\n"
        "```python no-run\nraise SystemExit\n```\n"
        "```python\ntotal = con.sql('SELECT sum(i) FROM t').fetchall()[0][0] + given\n```\n"
    )
    assert run_page(page_of(tmp_path, text), {"given": 10})["total"] == 13


def test_another_engine_may_run_the_sql(tmp_path: Path) -> None:
    seen: list[str] = []
    run_page(page_of(tmp_path, "```sql\nSELECT 1\n```\n"), {}, sql=seen.append)
    assert seen == ["SELECT 1\n"]


def test_a_failing_block_ends_the_page_and_shows_the_line(tmp_path: Path) -> None:
    page = page_of(tmp_path, "Text.\n\n```python\na = 1\nb = a / 0\n```\n```python\na = 2\n```\n")
    namespace: dict[str, object] = {}
    with pytest.raises(ZeroDivisionError) as raised:
        run_page(page, namespace)
    last = traceback.extract_tb(raised.value.__traceback__)[-1]
    assert (last.filename, last.lineno, last.line) == (str(page), 5, "b = a / 0")
    assert namespace["a"] == 1


def test_failing_sql_ends_the_page(tmp_path: Path) -> None:
    with duckdb.connect() as con, pytest.raises(duckdb.Error, match="nowhere"):
        run_page(page_of(tmp_path, "```sql\nSELECT * FROM nowhere\n```\n"), {"con": con})


def test_a_page_needs_no_key_and_leaves_nothing_behind(tmp_path: Path) -> None:
    before, where = dict(os.environ), Path.cwd()
    text = (
        "```python\nimport duck_or\n\ncon = duck_or.connect('shop.duckdb')\n```\n"
        "```sql\nCREATE TABLE t AS SELECT prompt('hello') AS answer\n```\n"
        "```python\nrows = con.sql('FROM t').fetchall()\ncon.close()\n```\n"
    )
    with as_a_user(tmp_path, OPENROUTER_MODEL="fake/echo") as simulator:
        assert run_page(page_of(tmp_path, text), {})["rows"] == [("hello",)]
        assert simulator.stats().requests == 1
    assert (tmp_path / "shop.duckdb").exists()
    assert (dict(os.environ), Path.cwd()) == (before, where)


def test_every_page_with_code_is_run_by_some_test() -> None:
    pages = {page.relative_to(HOW_TO).as_posix(): page for page in HOW_TO.rglob("*.md")}
    with_code = {name for name, page in pages.items() if any(block.runs for block in blocks(page))}
    declared = set(_declared())
    assert with_code <= declared, "these are in no test module's PAGES"
    assert declared <= set(pages), "these are in some test module's PAGES, but not in how_to/"


def _declared() -> Iterator[str]:
    """What the test modules that use `run_page` name in PAGES."""
    for path in TESTS.rglob("test_*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        if path == Path(__file__) or not _calls_run_page(tree):
            continue
        for node in tree.body:
            if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["PAGES"]:
                yield from ast.literal_eval(node.value)


def _calls_run_page(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "run_page"
        for node in ast.walk(tree)
    )
