"""`duck-or cache`: look at the file that keeps answers, and tidy it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from duck_or.cli.wording import counted, moment, size

if TYPE_CHECKING:
    from duck_or.cache.contract import StoreInfo
    from duck_or.cache.sqlite_store import SqliteStore


@click.group(short_help="Look at the file that keeps answers, and tidy it.")
def cache() -> None:
    """The file that keeps answers: every one in it was paid for."""


def path_option(command: click.decorators.FC) -> click.decorators.FC:
    return click.option(
        "--path",
        type=click.Path(dir_okay=False, path_type=Path),
        help="The file; by default the one of the settings (cache_path, DUCK_OR_CACHE).",
    )(command)


@cache.command()
@path_option
def info(path: Path | None) -> None:
    """Say where the file is, how many answers it keeps and since when."""
    with _store(path) as store:
        for name, value in described(store.info()):
            click.echo(f"{name:<10}{value}")


@cache.command()
@path_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear(path: Path | None, yes: bool) -> None:
    """Remove every answer. What is asked again is paid for again."""
    with _store(path) as store:
        entries = counted(store.info().entries, "answer")
        if yes or click.confirm(f"Remove {entries} from {store.path}? Asking again costs again."):
            click.echo(f"{counted(store.clear(), 'answer')} removed.")
            store.vacuum()
        else:
            click.echo("Nothing was removed.")


@cache.command()
@path_option
@click.option(
    "--ttl", type=click.FloatRange(0, min_open=True), help="Seconds; by default the setting cache_ttl."
)
@click.option("--max-bytes", type=click.IntRange(1), help="Size cap; by default the setting cache_max_bytes.")
def prune(path: Path | None, ttl: float | None, max_bytes: int | None) -> None:
    """Remove what is past its time and, the oldest first, what is over the size cap."""
    from duck_or.settings import Settings

    settings = Settings.load()
    ttl = settings.cache_ttl if ttl is None else ttl
    max_bytes = settings.cache_max_bytes if max_bytes is None else max_bytes
    if ttl is None and max_bytes is None:
        raise click.UsageError("answers neither expire nor is there a size cap: say --ttl or --max-bytes")
    with _store(path, ttl, max_bytes) as store:
        removed = store.prune(time.time())
        click.echo(f"{counted(removed, 'answer')} removed; {counted(store.info().entries, 'answer')} kept.")


@cache.command()
@path_option
def vacuum(path: Path | None) -> None:
    """Give the space of removed answers back to the file system."""
    with _store(path) as store:
        before = store.info().bytes_on_disk
        store.vacuum()
        click.echo(f"{size(before)} before, {size(store.info().bytes_on_disk)} now.")


def described(info: StoreInfo) -> list[tuple[str, str]]:
    """The lines of `cache info`: name and value."""
    lines = [
        ("file", info.location),
        ("answers", f"{info.entries:,}"),
        ("on disk", f"{size(info.bytes_on_disk)} ({size(info.bytes_of_answers)} uncompressed)"),
        ("format", f"version {info.schema_version}"),
    ]
    if info.oldest is not None and info.newest is not None:
        lines += [("oldest", moment(info.oldest)), ("newest", moment(info.newest))]
    return lines


@contextmanager
def _store(
    path: Path | None, ttl: float | None = None, max_bytes: int | None = None
) -> Iterator[SqliteStore]:
    """The store at `path` or the settings' place. Ends the command where there is no file: looking must not make one."""
    from duck_or.cache.sqlite_store import SqliteStore
    from duck_or.settings import Settings

    path = path or Settings.load().cache_path
    if path is None:
        click.echo("Answers are kept in memory only (cache_path is none): there is no file.")
        raise click.exceptions.Exit(0)
    if not path.exists():
        click.echo(f"There is no cache at {path} yet: the first answer makes it.")
        raise click.exceptions.Exit(0)
    with closing(SqliteStore(path, ttl=ttl, max_bytes=max_bytes)) as store:
        yield store
