"""The only place that makes SQL part of the simulation: SQLite without threads, and a turn for each transaction.

Whatever happens inside a transaction happens at once. That is less than a real database allows, but all that matters:
transactions lock what they compare.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import URL, Pool, StaticPool, event, make_url
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.store import migrations
from widget_server.store.database import Database

_DRIVER = "atonce"
_PRAGMAS = ("foreign_keys=ON", "journal_mode=MEMORY", "synchronous=OFF")

Moment = Callable[[str], Awaitable[None]]
"""Called before and after everything that is done; may raise in its place, or after it."""


def new_file(path: Path) -> AsyncEngine:
    """A SQLite file with all tables, and the one way to it."""
    path.write_bytes(_migrated())
    engine = create_async_engine(f"sqlite+{_DRIVER}:///{path}", connect_args={"isolation_level": None})

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: Any, _record: object) -> None:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@cache
def _migrated() -> bytes:
    """A file with all tables and nothing in them: one is like another, and making one takes a while."""
    with TemporaryDirectory(prefix="tenuto-") as folder:
        path = Path(folder) / "migrated.sqlite3"
        migrations.upgrade(make_url(f"sqlite:///{path}"))
        return path.read_bytes()


class SimulatedDatabase(Database):
    """One process's way to the file that all share."""

    def __init__(self, engine: AsyncEngine, *, before: Moment, after: Moment) -> None:
        self._writer = self._reader = engine
        self._before = before
        self._after = after

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        await self._before("transaction")
        async with super().transaction() as session:
            yield session
        await self._after("transaction")

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        await self._before("snapshot")
        async with super().snapshot() as session:
            yield session
        await self._after("snapshot")


class SQLiteAtOnce(SQLiteDialect_pysqlite):
    """Python's own driver, called from a coroutine as it is: it answers before anybody could do anything else."""

    driver = _DRIVER
    is_async = True
    supports_statement_cache = True

    @classmethod
    def get_pool_class(cls, url: URL) -> type[Pool]:
        return StaticPool


registry.register(f"sqlite.{_DRIVER}", __name__, "SQLiteAtOnce")
