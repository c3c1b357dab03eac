"""Which digests the metadata names, anywhere: what none of them is, nobody needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlalchemy import Connection, Table, Text, inspect, select

from treadle.storage.sql.database import Database
from treadle.storage.sql.tables import metadata

DIGEST = re.compile(r"(?=([0-9a-f]{64}))")
FETCH = 1000


def named_digests(database: Database) -> frozenset[str]:
    """Every sha256 in hex in any text of any table, also within longer texts. More than needed, never less."""
    with database.read() as connection:
        there = set(inspect(connection).get_table_names())
        tables = [table for table in metadata.sorted_tables if table.name in there]
        return frozenset(digest for table in tables for text in _texts(connection, table) for digest in _found(text))


def _texts(connection: Connection, table: Table) -> Iterator[str]:
    columns = [column for column in table.columns if isinstance(column.type, Text)]
    if not columns:
        return
    result = connection.execution_options(yield_per=FETCH).execute(select(*columns))
    for row in result:
        yield from (text for text in row if text is not None and len(text) >= 64)


def _found(text: str) -> Iterator[str]:
    return (match.group(1) for match in DIGEST.finditer(text))
