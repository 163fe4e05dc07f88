"""`duck-or doctor`: asks the network and the disk, and prints what `checks` make of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from duck_or.errors import DuckOrError, SettingsError

if TYPE_CHECKING:
    from duck_or.cli.checks import Finding
    from duck_or.engine.lanes import Membership
    from duck_or.settings import Explained, Settings

PATIENCE = 15.0
"""Seconds for one question to the service."""


@click.command(short_help="Check key, service, credits, model and cache.")
def doctor() -> None:
    """Check key, service, credits, model and cache; say what to do about what is wrong.

    Nothing that costs money is asked. Exit code 0 when all is well, 1 when something is wrong.
    """
    from duck_or.cli import checks
    from duck_or.settings import explain

    click.echo(checks.versions())
    try:
        explained = explain()
    except SettingsError as error:
        click.echo(checks.Finding("wrong", "settings", str(error), "correct it; the other checks need it"))
        raise click.exceptions.Exit(1) from error
    wrong = False
    for finding in _findings(explained):
        click.echo(finding)
        wrong |= finding.level == "wrong"
    click.echo("\nSettings (value, where from):")
    click.echo("\n".join(checks.settings_table(explained)))
    raise click.exceptions.Exit(int(wrong))


def _findings(explained: list[Explained]) -> Iterator[Finding]:
    from duck_or.cli import checks
    from duck_or.engine.lanes import Membership
    from duck_or.engine.limits import Limits
    from duck_or.session import endpoint_of
    from duck_or.settings import Settings

    settings = Settings.load()
    if settings.cassette is not None:  # nothing else is asked, read or written then
        yield _cassette(settings.cassette)
        return
    yield checks.key(settings, explained)
    membership = Membership(endpoint_of(settings), Limits(None, 1))
    try:
        yield from _asked(settings, membership)
    finally:
        membership.leave()
    yield _cache(settings)
    if settings.calls_file is not None:
        yield _calls(settings.calls_file)


def _cassette(path: Path) -> Finding:
    from duck_or.cache.contract import StoreError
    from duck_or.cassette import parquet
    from duck_or.cli import checks

    try:
        return checks.cassette(path, parquet.check(path))
    except StoreError as error:
        return checks.Finding("wrong", "cassette", str(error))


def _calls(path: Path) -> Finding:
    """Writes nothing down, which is enough to find out whether it could."""
    from duck_or.calls_file import CallsFile
    from duck_or.cli import checks

    problems: list[str] = []
    CallsFile(path, report=problems.append).try_writing()
    return checks.calls(path, problems)


def _asked(settings: Settings, membership: Membership) -> Iterator[Finding]:
    """What the service says; of a service that cannot be reached nothing else is asked."""
    from duck_or.cli import checks
    from duck_or.models import ModelList

    try:
        models = ModelList(lambda path: membership.get(path, PATIENCE)).models()
        yield checks.service(settings.base_url, models)
        if settings.api_key is not None:
            yield checks.credit(membership.get("/key", PATIENCE), time.time())
    except TimeoutError:
        yield checks.unreachable(settings.base_url, f"no answer within {PATIENCE:.0f} s")
    except DuckOrError as error:
        yield checks.unreachable(settings.base_url, str(error))
    else:
        yield checks.model(settings.model, models)


def _cache(settings: Settings) -> Finding:
    """Writes an entry and takes it away again: only that proves that the file can be written to."""
    from duck_or.cache.contract import StoreError
    from duck_or.cache.opening import open_store
    from duck_or.cli import checks

    if settings.cache_path is None:
        return checks.cache(None)
    try:
        store = open_store(settings.cache_path)
    except SettingsError as error:  # its client is not installed
        return checks.Finding("wrong", "cache", str(error))
    probe = os.urandom(32)
    try:
        store.put_many({probe: b"{}"}, time.time())
        store.delete_many([probe])
        return checks.cache(store.info())
    except StoreError as error:
        return checks.Finding("wrong", "cache", str(error))
    finally:
        store.close()
