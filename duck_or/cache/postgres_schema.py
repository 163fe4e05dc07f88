"""The tables of an answer cache in a PostgreSQL database: whether they are there, and of which version.

The rules: a newer version is refused, an older one is migrated, and a database without our schema is version 0, so that
creating is a migration too. What is asked of the tables, it does not know.
"""

from __future__ import annotations

from importlib.resources import files

from duck_or.cache.contract import StoreError
from duck_or.cache.postgres_client import Connection

SCHEMA_VERSION = 1
"""postgres_N.sql takes a database of version N - 1 to version N."""

LOCK = int.from_bytes(b"duck_or", "big")
"""Of the database's advisory locks: workers that begin together make the tables one after another."""


def prepare(connection: Connection, location: str) -> None:
    """See to it that the tables are there. Raises psycopg.Error; StoreError for a schema that is not ours to use."""
    if _version(connection, location) < SCHEMA_VERSION:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            _migrate(connection, _version(connection, location))  # again: another worker may have been faster


def _version(connection: Connection, location: str) -> int:
    """0 where there is nothing. Raises StoreError where it is newer than this duck_or."""
    # Not to_regclass: inside a transaction it may still say what was so when the transaction began.
    there = "SELECT FROM pg_catalog.pg_tables WHERE schemaname = 'duck_or' AND tablename = 'version'"
    if connection.execute(there).fetchone() is None:
        return 0
    row = connection.execute("SELECT max(version) FROM duck_or.version").fetchone()
    version = int(row[0]) if row and row[0] is not None else 0
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"the answer cache {location} has schema version {version}, made by a newer duck_or; this one knows "
            f"{SCHEMA_VERSION}. Upgrade duck_or, or set cache_path to another place"
        )
    return version


def _migrate(connection: Connection, version: int) -> None:
    if version == 0:
        # Who may not create schemas may have been given this one.
        connection.execute("CREATE SCHEMA IF NOT EXISTS duck_or")
    for number in range(version + 1, SCHEMA_VERSION + 1):
        connection.execute(files("duck_or.cache").joinpath(f"postgres_{number}.sql").read_bytes())
        connection.execute("DELETE FROM duck_or.version")
        connection.execute("INSERT INTO duck_or.version (version) VALUES (%s)", (number,))
