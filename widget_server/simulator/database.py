"""The only place that makes SQL part of the simulation: SQLite in memory, and a turn for each transaction.

Whatever happens inside a transaction happens at once. That is less than a real database allows, but all that matters:
transactions lock what they compare.
"""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, StaticPool, create_engine, make_url
from sqlalchemy.orm.attributes import instance_state
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.simulator.statements import Loaded, by_id, said
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
        with _trouble_as_unavailable(), closing(SessionAtOnce(self._sql)) as session:
            self._sql.raw.execute("BEGIN IMMEDIATE")
            try:
                yield session
                session.keep()
            except BaseException:
                self._sql.raw.rollback()
                raise
        await self._after("transaction")

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """Nobody writes meanwhile, so that it need not begin."""
        await self._before("snapshot")
        with _trouble_as_unavailable(), closing(SessionAtOnce(self._sql)) as session:
            yield session
        await self._after("snapshot")


class SessionAtOnce(AsyncSession):
    """As the product knows it, without the detour through another stack: SQLite in memory lets nobody wait.

    SQLAlchemy's own session is only made where something is left for it to do. Until then the rows that were read are
    its instances already, which it has not heard of yet.
    """

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        self._loaded: Loaded = {}
        self._own: Session | None = None

    @property
    def sync_session(self) -> Session:  # type: ignore[override]
        """With all that was loaded so far, and the changes of that."""
        if self._own is None:
            self._own = Session(self._sql.connection, expire_on_commit=False)
        for instance in self._loaded.values():
            if instance_state(instance).session_id is None:
                self._own.add(instance)
        return self._own

    _proxied = sync_session

    def get_bind(self, *_: Any, **__: Any) -> Any:
        return self._sql.connection

    async def exec(self, statement: Any, *, params: Any = None, **_: Any) -> Any:
        self._write()
        found = said(statement, params)
        if found is None or any(one.__tablename__ == found[0].changes for one in self._loaded.values()):
            return self.sync_session.exec(statement, params=params, execution_options=_PREBUFFERED)
        plain, made_with = found
        if isinstance(params, Sequence):
            return plain.say_each(self._sql.raw, params, made_with)
        return plain.say(self._sql.raw, params or {}, made_with, self._loaded)

    async def flush(self, objects: Any = None) -> None:
        self.sync_session.flush(objects)

    async def get(self, entity: Any, ident: Any, **_: Any) -> Any:
        known = self._loaded.get((entity, (ident,)))
        return known or (await self.exec(by_id(entity), params={"id": ident})).one_or_none()

    async def get_one(self, entity: Any, ident: Any, **_: Any) -> Any:
        found = await self.get(entity, ident)
        assert found is not None
        return found

    async def delete(self, instance: object) -> None:
        self.sync_session.delete(instance)

    def keep(self) -> None:
        """Commit."""
        self._write()
        self._sql.raw.commit()

    def close(self) -> None:  # type: ignore[override]
        if self._own is not None:
            self._own.close()

    def _write(self) -> None:
        """What was changed or added, and is not written yet."""
        if self._own is not None or any(instance_state(one).modified for one in self._loaded.values()):
            own = self.sync_session
            own.flush()
            self._loaded = {key[:2]: one for one in own.identity_map.values() if (key := instance_state(one).key)}
