"""`duck-or cache`: look at what keeps answers, a file or a server, and tidy it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from duck_or.cli.wording import counted, moment, size

if TYPE_CHECKING:
    from datetime import datetime

    from duck_or.cache.contract import Store, StoreInfo
    from duck_or.cache.opening import Place


@click.group(short_help="Look at where answers are kept, and tidy it.")
def cache() -> None:
    """Where answers are kept, a file or a server: every one was paid for."""


def path_option(command: click.decorators.FC) -> click.decorators.FC:
    return click.option(
        "--path",
        metavar="PLACE",
        callback=lambda context, option, value: None if value is None else _place(value),
        help="The file or the server's address; by default that of the settings (cache_path, DUCK_OR_CACHE).",
    )(command)


def _place(value: str) -> Place:
    from duck_or.setting_rules import store_place

    try:
        return store_place(value)
    except ValueError:
        raise click.BadParameter("neither a file's path nor a redis:// or postgresql:// address") from None


@cache.command()
@path_option
def info(path: Place | None) -> None:
    """Say where the file is, how many answers it keeps and since when."""
    with _store(path) as store:
        for name, value in described(store.info()):
            click.echo(f"{name:<10}{value}")


@cache.command()
@path_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear(path: Place | None, yes: bool) -> None:
    """Remove every answer. What is asked again is paid for again."""
    with _store(path) as store:
        found = store.info()
        question = (
            f"Remove {counted(found.entries, 'answer')} from {found.location}? Asking again costs again."
        )
        if yes or click.confirm(question):
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
def prune(path: Place | None, ttl: float | None, max_bytes: int | None) -> None:
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
def vacuum(path: Place | None) -> None:
    """Give the space of removed answers back to the file system."""
    with _store(path) as store:
        before = store.info().bytes_on_disk
        store.vacuum()
        click.echo(f"{size(before)} before, {size(store.info().bytes_on_disk)} now.")


@cache.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@path_option
@click.option(
    "--model", help="Only answers by this model, with or without the date in its name; * stands for anything."
)
@click.option(
    "--since", type=click.DateTime(), help="Only answers that were stored then or later (local time)."
)
def export(file: Path, path: Place | None, model: str | None, since: datetime | None) -> None:
    """Write answers to FILE, a cassette: a Parquet file with the columns key, stored, model and body.

    With the setting cassette=FILE statements are answered from it alone, without a key and a network. Prompts and API keys
    are not in it, the answers are. A FILE that is there is replaced.
    """
    from duck_or.cassette.transfer import Selection
    from duck_or.cassette.transfer import export as write

    with _store(path) as store:
        count = write(store, file, Selection(model, None if since is None else since.timestamp()))
    click.echo(f"{counted(count, 'answer')} in {file} ({size(file.stat().st_size)}).")


@cache.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@path_option
def import_(file: Path, path: Place | None) -> None:
    """Put the answers of FILE, a cassette, among those that are kept. Of two answers to one request the newer one stays."""
    from duck_or.cassette.transfer import import_into

    with _store(path, new=True) as store:
        imported = import_into(store, file)
    click.echo(f"{counted(imported.new, 'answer')} new, {imported.known:,} there already.")


def described(info: StoreInfo) -> list[tuple[str, str]]:
    """The lines of `cache info`: name and value."""
    lines = [
        ("place", info.location),
        ("answers", f"{info.entries:,}"),
        ("on disk", f"{size(info.bytes_on_disk)} ({size(info.bytes_of_answers)} uncompressed)"),
        ("format", f"version {info.schema_version}"),
    ]
    if info.oldest is not None and info.newest is not None:
        lines += [("oldest", moment(info.oldest)), ("newest", moment(info.newest))]
    return lines


@contextmanager
def _store(
    path: Place | None, ttl: float | None = None, max_bytes: int | None = None, *, new: bool = False
) -> Iterator[Store]:
    """The store at `path` or the settings' place. Ends the command where there is none: looking must not make a file.

    new: one may be made.
    """
    from duck_or.cache.opening import open_store
    from duck_or.settings import Settings

    place = path or Settings.load().cache_path
    if place is None:
        click.echo("Answers are kept in memory only (cache_path is none): there is no file.")
        raise click.exceptions.Exit(1 if new else 0)
    if isinstance(place, Path) and not new and not place.exists():
        click.echo(f"There is no cache at {place} yet: the first answer makes it.")
        raise click.exceptions.Exit(0)
    with closing(open_store(place, ttl, max_bytes)) as store:
        yield store
