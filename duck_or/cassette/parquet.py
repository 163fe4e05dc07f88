"""A cassette as a file: what its columns are, and how it is written and read, a part at a time.

    key VARCHAR      the cache key in hex, as in openrouter_calls() and of openrouter_key(...)
    stored TIMESTAMP WITH TIME ZONE
    model VARCHAR    that answered, as the answer says it
    body JSON        the answer as the service sent it

Files that DuckDB wrote from one (`COPY (SELECT … FROM 'calls.parquet' WHERE …) TO 'some.parquet'`) are cassettes, too. Where
answers come from and go to, it must not know. Everything wrong with a file is a StoreError that names it.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import orjson

from duck_or.cache.contract import Kept, StoreError
from duck_or.lenient import mapping_of, text_of

if TYPE_CHECKING:
    import pyarrow as pa

KEY_BYTES = 32
COLUMNS = ("key", "stored", "body")
"""What a reader needs; others may be there."""

FORMAT = "1"
FORMAT_NAME = b"duck_or_cassette"
"""In the file's metadata, for the day when there is another format. Files that DuckDB wrote say nothing."""

READ_ROWS = 1024
GROUP_BYTES = 16 * 2**20
"""Of answers in one row group: what writing holds in memory, and what a reader in parallel takes at a time."""

MICROSECONDS = 1_000_000


def write(path: Path, answers: Iterable[Mapping[bytes, Kept]]) -> int:
    """Write a cassette, all or nothing, readable by its owner only; returns how many answers. Raises StoreError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.parent.is_dir():  # the error would name the temporary file
        raise StoreError(f"the cassette {path} cannot be written: there is no directory {path.parent}")
    schema, count = _schema(), 0
    try:
        with (
            _replacing(path) as file,
            pq.ParquetWriter(
                file, schema, compression="zstd", use_dictionary=["model"], write_page_checksum=True
            ) as writer,
        ):
            for group in _groups(answers):
                writer.write_batch(_batch(group, schema))
                count += len(group)
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"the cassette {path} cannot be written: {error}") from error
    return count


def read(path: Path) -> Iterator[dict[bytes, Kept]]:
    """The answers of a cassette, a part at a time, each checked. A key may come again in another part. Raises StoreError."""
    with _opened(path) as file:
        for batch in file.iter_batches(batch_size=READ_ROWS, columns=list(COLUMNS)):
            yield _answers(batch, path)


def check(path: Path) -> int:
    """Whether this looks like a cassette: by its columns, at once. Returns how many answers it has. Raises StoreError."""
    with _opened(path) as file:
        return int(file.metadata.num_rows)


# --- writing ---------------------------------------------------------------------------------------------------------


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file beside `path` that takes its place when all went well: nobody ever reads half of one."""
    # Made with mode 0600, as the store that the answers come from.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(file.name)
            raise
    os.replace(file.name, path)


def _groups(answers: Iterable[Mapping[bytes, Kept]]) -> Iterator[list[tuple[bytes, Kept]]]:
    group: list[tuple[bytes, Kept]] = []
    size = 0
    for part in answers:
        for key, kept in part.items():
            group.append((key, kept))
            size += len(kept.body)
            if size >= GROUP_BYTES:
                yield group
                group, size = [], 0
    if group:
        yield group


def _schema() -> pa.Schema:
    import pyarrow as pa

    columns = [
        ("key", pa.string()),
        ("stored", pa.timestamp("us", "UTC")),
        ("model", pa.string()),
        ("body", pa.json_()),
    ]
    return pa.schema(
        [pa.field(name, kind, nullable=name == "model") for name, kind in columns]
    ).with_metadata({FORMAT_NAME: FORMAT})


def _batch(group: list[tuple[bytes, Kept]], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    columns: dict[str, list[Any]] = {
        "key": [key.hex() for key, _ in group],
        "stored": [_microseconds(kept.stored) for _, kept in group],
        "model": [model_of(kept.body) for _, kept in group],
        "body": [kept.body for _, kept in group],
    }
    arrays = [
        pa.ExtensionArray.from_storage(field.type, pa.array(columns[field.name], field.type.storage_type))
        if field.name == "body"
        else pa.array(columns[field.name], field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _microseconds(stored: float) -> int:
    """Rounded down: put back into the store that it came from, an answer must not be newer than itself."""
    whole = math.floor(stored * MICROSECONDS)
    return whole if whole / MICROSECONDS <= stored else whole - 1  # the product was rounded, too


def model_of(body: bytes) -> str | None:
    """The model that answered, as the answer says it."""
    with suppress(orjson.JSONDecodeError):
        return text_of(mapping_of(orjson.loads(body)).get("model"))
    return None


# --- reading ---------------------------------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The Parquet file, if it looks like a cassette. What goes wrong while it is read is told in the same words."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            _refuse_foreign(path, file.schema_arrow)
            yield file
    except FileNotFoundError as error:
        raise StoreError(f"there is no file {path}; `duck-or cache export` makes one") from error
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"{path} cannot be read as a cassette: {error}") from error


def _refuse_foreign(path: Path, schema: pa.Schema) -> None:
    import pyarrow as pa

    version = (schema.metadata or {}).get(FORMAT_NAME, FORMAT.encode()).decode("utf-8", "replace")
    if version != FORMAT:
        raise StoreError(
            f"the cassette {path} has format {version}, made by a newer duck_or; upgrade duck_or"
        )
    kinds = {name: schema.field(name).type for name in COLUMNS if name in schema.names}
    body = kinds.get("body")
    if (
        len(kinds) == len(COLUMNS)
        and _is_text(kinds["key"])
        and pa.types.is_timestamp(kinds["stored"])
        and _is_text(getattr(body, "storage_type", body))
    ):
        return
    found = ", ".join(f"{field.name} {field.type}" for field in schema) or "none"
    raise StoreError(
        f"{path} is no cassette: it needs the columns key VARCHAR, stored TIMESTAMP and body JSON, and has {found}"
    )


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _answers(batch: pa.RecordBatch, path: Path) -> dict[bytes, Kept]:
    import pyarrow as pa

    keys = batch.column("key").to_pylist()
    stored = batch.column("stored").cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64()).to_pylist()
    bodies = batch.column("body")
    texts = getattr(bodies, "storage", bodies).to_pylist()
    found: dict[bytes, Kept] = {}
    for text, when, said in zip(keys, stored, texts, strict=True):
        key, kept = _key(text, path), Kept(_body(said, text, path), _seconds(when, text, path))
        if key not in found or found[key].stored < kept.stored:  # as where they are put into a store
            found[key] = kept
    return found


def _key(text: str | None, path: Path) -> bytes:
    with suppress(TypeError, ValueError):
        key = bytes.fromhex(text)  # type: ignore[arg-type]  # NULL is a TypeError
        if len(key) == KEY_BYTES:
            return key
    raise StoreError(f"{path}: {_shown(text)} is no cache key: it must be {2 * KEY_BYTES} hexadecimal digits")


def _seconds(microseconds: int | None, key: str, path: Path) -> float:
    if microseconds is None:
        raise StoreError(f"{path}: the answer with the key {key} does not say when it was stored")
    return microseconds / MICROSECONDS


def _body(text: str | None, key: str, path: Path) -> bytes:
    body = (text or "").encode()
    with suppress(orjson.JSONDecodeError):
        if isinstance(orjson.loads(body), dict):
            return body
    raise StoreError(f"{path}: the answer with the key {key} is no JSON object")


def _shown(text: str | None) -> str:
    return "NULL" if text is None else repr(text if len(text) <= 80 else f"{text[:80]}…")
