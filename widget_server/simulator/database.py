"""The only place that makes SQL part of the simulation: SQLite in memory, and a turn for each transaction.

Whatever happens inside a transaction happens at once. That is less than a real database allows, but all that matters:
transactions lock what they compare.
"""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, StaticPool, create_engine, event, make_url
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.store import migrations
from widget_server.store.database import Database, _lower, _trouble_as_unavailable

_PREBUFFERED = {"prebuffer_rows": True}
"""As in any session of asyncio: whoever asked may read the answer after the transaction has ended."""

Moment = Callable[[str], Awaitable[None]]
"""Called before and after everything that is done; may raise in its place, or after it."""


@dataclass(frozen=True, slots=True)
class Sql:
    """One database for all processes: nobody waits for it, so one connection is enough."""

    raw: sqlite3.Connection
    connection: Connection


def new_sql() -> Sql:
    """All tables, and nothing in them. There is one at a time: the next one begins in its place."""
    sql = _sql()
    _migrated().backup(sql.raw)
    return sql


@cache
def _sql() -> Sql:
    """Kept for all worlds of a process, as SQLAlchemy keeps with it how it says each statement."""
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.create_function("lower", 1, _lower, deterministic=True)
    engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)

    @event.listens_for(engine, "begin")
    def begin(_connection: Any) -> None:
        raw.execute("BEGIN IMMEDIATE")

    connection = engine.connect()
    raw.execute("PRAGMA foreign_keys=ON")
    return Sql(raw, connection)


@cache
def _migrated() -> sqlite3.Connection:
    """Making all tables takes a while, copying them does not."""
    kept = sqlite3.connect(":memory:")
    with TemporaryDirectory(prefix="tenuto-") as folder:
        path = Path(folder) / "migrated.sqlite3"
        migrations.upgrade(make_url(f"sqlite:///{path}"))
        with closing(sqlite3.connect(path)) as file:
            file.backup(kept)
    return kept


class SimulatedDatabase(Database):
    """One process's way to the database that all share."""

    def __init__(self, sql: Sql, *, before: Moment, after: Moment) -> None:
        self._sql = sql
        self._before = before
        self._after = after

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        await self._before("transaction")
        with self._session() as session:
            yield session
        await self._after("transaction")

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        await self._before("snapshot")
        with self._session() as session:
            yield session
        await self._after("snapshot")

    @contextmanager
    def _session(self) -> Iterator[AsyncSession]:
        session = SessionAtOnce(self._sql)
        with _trouble_as_unavailable(), session.sync_session, session.sync_session.begin():
            yield session


class SessionAtOnce(AsyncSession):
    """As the product knows it, without the detour through another stack: SQLite in memory lets nobody wait."""

    def __init__(self, sql: Sql) -> None:
        super().__init__(expire_on_commit=False)
        self.sync_session.bind = sql.connection

    async def exec(self, statement: Any, *, params: Any = None, **_: Any) -> Any:
        return self.sync_session.exec(statement, params=params, execution_options=_PREBUFFERED)

    async def flush(self, objects: Any = None) -> None:
        self.sync_session.flush(objects)

    async def get(self, *args: Any, **options: Any) -> Any:
        return self.sync_session.get(*args, **options)

    async def get_one(self, *args: Any, **options: Any) -> Any:
        return self.sync_session.get_one(*args, **options)

    async def delete(self, instance: object) -> None:
        self.sync_session.delete(instance)
