"""Message parts in SQL: from BLOBs, URLs and NULLs of every type, in a literal, over a table, and up to the service."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pytest

from duck_or.attachments import image_part
from duck_or.sql.attachments import attachment_functions, parts_vector
from support.bridge import Bridge

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0"
PNG_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
WAV = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0" + bytes(24)
PART = {"type": "image_url", "image_url": {"url": PNG_URL}}
LINK = {"type": "image_url", "image_url": {"url": "https://x/y"}}


def with_parts(con: duckdb.DuckDBPyConnection) -> None:
    """The functions and macros, where `register` has not put them there."""
    known = "SELECT 1 FROM duckdb_functions() WHERE function_name = 'image_part'"
    if con.execute(known).fetchall():
        return
    for function in attachment_functions():
        function.create(con)
    script = files("duck_or.sql").joinpath("attachments.sql").read_text("utf-8")
    con.execute(script.format(create="CREATE OR REPLACE MACRO", schema="")).fetchall()


def with_blobs(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """With the functions, and a table of one BLOB of each kind."""
    with_parts(con)
    con.execute(
        "CREATE TABLE blobs AS SELECT ?::BLOB AS png, ?::BLOB AS pdf, ?::BLOB AS wav", [PNG, PDF, WAV]
    )
    return con


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """The functions alone: no session is behind them."""
    with duckdb.connect() as con:
        yield with_blobs(con)


@pytest.fixture
def db(bridge: Bridge) -> Bridge:
    with_blobs(bridge.con)
    return bridge


def rows(con: duckdb.DuckDBPyConnection, sql: str, parameters: list[object] | None = None) -> list[Any]:
    return con.execute(sql, parameters).fetchall()


def column(con: duckdb.DuckDBPyConnection, sql: str, parameters: list[object] | None = None) -> list[Any]:
    return [row[0] for row in rows(con, sql, parameters)]


def value_of(con: duckdb.DuckDBPyConnection, expression: str) -> Any:
    [value] = column(con, f"SELECT {expression} FROM blobs")
    return value


def parsed(con: duckdb.DuckDBPyConnection, expression: str) -> Any:
    return orjson.loads(value_of(con, expression) or "null")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("image_part(png)", PART),
        ("image_part(png, detail := NULL)", PART),
        ("image_part(png, 'low')", {**PART, "image_url": {"url": PNG_URL, "detail": "low"}}),
        ("image_part(png, detail := 'high')", {**PART, "image_url": {"url": PNG_URL, "detail": "high"}}),
        ("image_part('https://x/y')", LINK),
        ("""image_part('{"u": "https://x/y"}'::JSON -> '$.u')""", LINK),
        ("image_part(CASE WHEN png IS NULL THEN png END)", None),
        (
            "file_part(pdf, name := 'r.pdf')",
            {
                "type": "file",
                "file": {
                    "filename": "r.pdf",
                    "file_data": f"data:application/pdf;base64,{base64.b64encode(PDF).decode()}",
                },
            },
        ),
        (
            "file_part('https://x/r.pdf')",
            {"type": "file", "file": {"filename": "r.pdf", "file_data": "https://x/r.pdf"}},
        ),
        (
            "audio_part(wav)",
            {"type": "input_audio", "input_audio": {"data": base64.b64encode(WAV).decode(), "format": "wav"}},
        ),
        (
            "audio_part('raw'::BLOB, format := 'pcm16')",
            {"type": "input_audio", "input_audio": {"data": "cmF3", "format": "pcm16"}},
        ),
    ],
)
def test_a_part(con: duckdb.DuckDBPyConnection, expression: str, expected: object) -> None:
    assert parsed(con, expression) == expected
    assert value_of(con, f"typeof({expression})") == "JSON"


@pytest.mark.parametrize("function", ["image_part", "file_part", "audio_part", "__duck_or_image_parts"])
@pytest.mark.parametrize("null", ["NULL", "NULL::BLOB", "NULL::VARCHAR", "NULL::JSON", "NULL::BLOB[]"])
def test_null_in_null_out(con: duckdb.DuckDBPyConnection, function: str, null: str) -> None:
    assert rows(con, f"SELECT {function}({null}) FROM range(2)") == [(None,)] * 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("png", [PART]),
        ("[png, NULL, png]", [PART, PART]),
        ("'https://x/y'", [LINK]),
        ("['https://x/y', NULL]", [LINK]),
        ("['https://x/y']::VARCHAR[1]", [LINK]),
        ("image_part(png)", [PART]),
        ("[image_part(png), image_part('https://x/y')]", [PART, LINK]),
        ("json_array(image_part(png), 'https://x/y')", [PART, LINK]),
        ("{'type': 'image_url', 'image_url': {'url': 'https://x/y'}, 'cache_control': NULL}", [LINK]),
        ("[{'type': 'image_url', 'image_url': {'url': 'https://x/y', 'detail': NULL}}]", [LINK]),
        ("[]", []),
        ("[NULL]", []),
        ("NULL", None),
    ],
)
def test_images_of_every_type(con: duckdb.DuckDBPyConnection, value: str, expected: object) -> None:
    assert parsed(con, f"__duck_or_image_parts({value})") == expected


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("image_part('cat.png')", r"read_blob\('cat\.png'\)"),
        ("image_part(pdf)", r"application/pdf \(\.pdf\)\. Use file_part"),
        ("image_part(''::BLOB)", "the BLOB is empty"),
        ("image_part(5)", "takes a BLOB or a URL; got number 5"),
        ("image_part(png, detail := 'hi')", "auto, low, high, original; got text 'hi'"),
        ("image_part(png, detale := 'low')", "image_part"),
        ("audio_part('https://x/y.mp3')", "no sound from a URL"),
        ("audio_part(png)", "name its format"),
        ("__duck_or_image_parts([png, ''::BLOB])", "the BLOB is empty"),
        ("__duck_or_image_parts(MAP {'type': 'image_url'})", "images takes image parts"),
    ],
)
def test_what_cannot_be_attached_is_an_error(
    con: duckdb.DuckDBPyConnection, expression: str, message: str
) -> None:
    with pytest.raises(duckdb.Error, match=message):
        value_of(con, expression)


def test_one_bad_row_can_be_tried(con: duckdb.DuckDBPyConnection) -> None:
    got = column(
        con, "SELECT TRY(image_part(b)) IS NULL FROM (FROM blobs UNPIVOT (b FOR kind IN (png, pdf)))"
    )
    assert sorted(got) == [False, True]


def test_every_row_its_own_value(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "CREATE OR REPLACE TEMP TABLE images AS SELECT i, CASE WHEN i % 3 > 0 THEN png || encode(i::VARCHAR) END AS b, "
        "CASE WHEN i % 2 = 0 THEN 'low' END AS detail FROM blobs, range(5000) t(i)"
    )
    for i, part in rows(con, "SELECT i, image_part(b, detail := detail) FROM images"):
        if i % 3 == 0:
            assert part is None
        else:
            image = orjson.loads(part)["image_url"]
            assert base64.b64decode(image["url"].partition(",")[2]) == PNG + str(i).encode()
            assert image.get("detail") == (None if i % 2 else "low")


@pytest.mark.parametrize("part", ["image_part(png || x)", "file_part(png || x)", "audio_part(wav || x)"])
@pytest.mark.parametrize(
    "around", ["coalesce({}, '1')", "ifnull({}, '1')", "coalesce(TRY({}), '1')", "if(i >= 0, {}, '1')"]
)
def test_a_value_outlives_what_it_was_made_of(con: duckdb.DuckDBPyConnection, part: str, around: str) -> None:
    """Not a matter of course: see attachments.sql."""
    expression = around.replace("{}", part)
    numbered = "(SELECT *, encode(i::VARCHAR) AS x FROM blobs, range(3000) t(i))"
    found = column(con, f"SELECT {expression} FROM {numbered} ORDER BY i")
    kind = part.partition("_")[0]
    for i, value in enumerate(found):
        data = orjson.loads(value)
        sent = {"image": "image_url", "file": "file", "audio": "input_audio"}[kind]
        encoded = next(text for text in data[sent].values() if len(text) > 20).rpartition(",")[2]
        assert base64.b64decode(encoded) == (WAV if kind == "audio" else PNG) + str(i).encode()


def test_a_constant_is_attached_once(con: duckdb.DuckDBPyConnection) -> None:
    """Folded: the plan of a literal holds no call."""
    [(_, plan)] = rows(con, "EXPLAIN SELECT image_part('https://x/y') FROM range(5)")
    assert "image_part(" not in plan


@pytest.mark.parametrize("function", ["chat_completions", "try_chat_completions"])
def test_in_a_message(db: Bridge, function: str) -> None:
    content = "[{'type': 'text', 'text': 'What is this?'}, image_part(png), file_part(pdf), audio_part(wav)]"
    db.rows(f"SELECT {function}([{{'role': 'user', 'content': {content}}}]) FROM blobs")
    [body] = db.bodies()
    [text, image, file, audio] = body["messages"][0]["content"]
    assert text == {"type": "text", "text": "What is this?"}
    assert image == PART
    assert file["file"]["filename"] == "file.pdf"
    assert audio["input_audio"]["format"] == "wav"


def test_beside_a_message_that_is_text(db: Bridge) -> None:
    """A list has one type, so the text of the other message is made JSON too."""
    user = "{'role': 'user', 'content': [{'type': 'text', 'text': 'What is this?'}, image_part(png)]}"
    db.rows(
        f"SELECT chat_completions([{{'role': 'system', 'content': to_json('Be brief')}}, {user}]) FROM blobs"
    )
    [body] = db.bodies()
    assert [message["content"] for message in body["messages"]] == [
        "Be brief",
        [{"type": "text", "text": "What is this?"}, PART],
    ]


def test_in_a_statement_run_as_a_whole(db: Bridge) -> None:
    content = "[{'type': 'text', 'text': 'number ' || i}, image_part(png)]"
    query = f"SELECT chat_completions([{{'role': 'user', 'content': {content}}}]) FROM blobs, range(4) t(i)"
    assert len(db.session.sql(query).fetchall()) == 4
    assert db.sent == 4
    assert all(body["messages"][0]["content"][1] == PART for body in db.bodies())


def test_from_a_file_that_sql_reads(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(PNG)
    glob = str(tmp_path / "*.png")
    assert (
        column(con, "SELECT image_part(content) FROM read_blob(?)", [glob])
        == [orjson.dumps(PART).decode()] * 2
    )
    assert column(
        con, "SELECT file_part(content, name := filename) ->> '$.file.filename' FROM read_blob(?)", [glob]
    ) == [
        "a.png",
        "b.png",
    ]


def test_by_position_where_no_macro_is_seen(con: duckdb.DuckDBPyConnection) -> None:
    """As on another cursor of a file's database; a name too many or too few is an error."""
    assert orjson.loads(value_of(con, "system.main.image_part(png)")) == PART
    assert '"low"' in value_of(con, "system.main.image_part(png, 'low')")
    with pytest.raises(duckdb.Error, match="image_part takes a value and detail; got 3 arguments"):
        value_of(con, "system.main.image_part(png, 'low', 1)")


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_vectors_of_either_width(kind: pa.DataType) -> None:
    chunked = pa.chunked_array([pa.array([PNG, None], kind), pa.array([PNG], kind)])
    vector = parts_vector(image_part, [chunked])
    assert vector.type.extension_name == "arrow.json"
    expected = orjson.dumps(PART).decode()
    assert vector.storage.to_pylist() == [expected, None, expected]
