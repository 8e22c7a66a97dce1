"""The only place that opens a database: SQLite in a way that loses no update, or PostgreSQL."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from anyio import CancelScope
from sqlalchemy import URL, event, exc, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.errors import Fault, Unavailable
from widget_server.store import migrations
from widget_server.store.tables import Table

_FILE_NAME = "tenuto.sqlite3"
_WAIT_S = 5
"""How long a lock, a free connection or the server itself is waited for."""
_SQLITE_READERS = 4
_POSTGRES_CONNECTIONS = 10

_GONE = "The database is not there just now. Please try again."
_PASSING = {
    "25006",  # PostgreSQL takes no writes, as with a full disk, or where another one takes its place
    "25P03",  # we stood still in a transaction, as a machine that was suspended
}
"""What psycopg takes for faults, and is none of ours."""

_DISCREET = {"hide_parameters": True}
"""What is written are names and addresses: an error that is logged must not carry them."""


class Database:
    """One process's way to SQL. `url` None: a SQLite file in `data_dir`. Raises Fault for a URL that makes no sense."""

    def __init__(self, url: str | None, data_dir: Path) -> None:
        self._url = _parse(url, data_dir)
        if self._url.get_backend_name() == "sqlite":
            self._writer, self._reader = _open_sqlite(self._url)
        else:
            self._writer, self._reader = _open_postgres(self._url)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """All of it or nothing. Never await the network in here: on SQLite nobody else writes meanwhile.

        Raises Unavailable where the database is gone or busy. After that nobody knows whether the commit went through:
        do the same again, by the same id.
        """
        async with _session(self._writer) as session:
            yield session

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """Read only, and all of it as of one moment, while writes go on. Raises Unavailable."""
        async with _session(self._reader) as session:
            yield session

    async def ping(self) -> None:
        """Raises Unavailable."""
        async with self.snapshot() as session:
            await session.exec(select(1))  # type: ignore[call-overload]

    async def migrate(self) -> None:
        """Bring the tables up to date, off the event loop. Several processes may do so at once. Raises Fault."""
        await asyncio.to_thread(migrations.upgrade, self._url)

    async def must_be_current(self) -> None:
        """Raises Fault where the tables are missing, or those of another version; Unavailable."""
        with _trouble_as_unavailable():
            is_current = await asyncio.to_thread(migrations.is_current, self._url)
        if not is_current:
            raise Fault("The database does not have the tables of this version: run `tenuto migrate` first.")

    async def close(self) -> None:
        await self._reader.dispose()
        await self._writer.dispose()


def insert(session: AsyncSession, table: type[Table]) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT, which both databases have and spell alike."""
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def insert_by(table: type[Table], say: Callable[[Any], Any]) -> Callable[[AsyncSession], Any]:
    """One that is made once, and takes its values as parameters: making it takes longer than running it.

    `say` adds to a plain INSERT, which names columns, not attributes, what is to be done besides.
    """

    @cache
    def made(dialect: str) -> Any:
        new = sqlite.insert if dialect == "sqlite" else postgresql.insert
        return say(new(table.__table__))  # type: ignore[attr-defined]

    return lambda session: made(session.get_bind().dialect.name)


@asynccontextmanager
async def _session(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    """Shielded, so that whoever hangs up does so before or after it: a connection that is cancelled in the middle of a
    statement, and again while it is being closed for that, may keep the write lock of SQLite. All waits have limits.
    """
    with CancelScope(shield=True), _trouble_as_unavailable():
        async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
            yield session


def _parse(url: str | None, data_dir: Path) -> URL:
    if url is None:
        _make(data_dir / _FILE_NAME)
        return URL.create("sqlite+aiosqlite", database=str(data_dir.resolve() / _FILE_NAME))
    try:
        parsed = make_url(url)
    except exc.ArgumentError as error:
        raise Fault("TENUTO_DATABASE_URL is not a URL, such as postgresql://user@host/name.") from error
    if parsed.drivername.partition("+")[0] in ("postgresql", "postgres"):
        return _to_write(parsed.set(drivername="postgresql+psycopg"))
    if parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed.set(drivername="sqlite+aiosqlite")
    raise Fault("TENUTO_DATABASE_URL must name a PostgreSQL database or a SQLite file.")


def _to_write(url: URL) -> URL:
    """Never to a standby, unless it says so: when its turn comes it is there, and until then all writes would fail."""
    name = "target_session_attrs"
    return url if name in url.query else url.update_query_dict({name: "read-write"})


def _make(file: Path) -> None:
    """For us alone to read; what SQLite puts beside it gets the same rights."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.chmod(0o600)
    except OSError as trouble:
        raise Fault(f"The data folder {file.parent} cannot be made: {trouble.strerror}.") from trouble


def _open_sqlite(url: URL) -> tuple[AsyncEngine, AsyncEngine]:
    """One connection that writes and a few that read.

    More writers would only wait for each other; and as the write lock is taken at the beginning, nothing read in a
    transaction can be outdated by the time it writes.
    """
    arguments = {"isolation_level": None, "timeout": _WAIT_S}
    pool: dict[str, Any] = {"max_overflow": 0, "pool_timeout": _WAIT_S * 2, "connect_args": arguments} | _DISCREET
    writer = create_async_engine(url, pool_size=1, **pool)
    reader = create_async_engine(url, pool_size=_SQLITE_READERS, **pool)
    _on_connect(writer, "foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL")
    _on_connect(reader, "query_only=ON")
    _on_begin(writer, "BEGIN IMMEDIATE")
    _on_begin(reader, "BEGIN")
    return writer, reader


def _on_connect(engine: AsyncEngine, *pragmas: str) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for pragma in (f"busy_timeout={_WAIT_S * 1000}", *pragmas):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        # SQLite's own knows no letters but those of English: whoever looks for "özlem" would not find Özlem.
        connection.create_function("lower", 1, _lower, deterministic=True)


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _on_begin(engine: AsyncEngine, statement: str) -> None:
    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql(statement)


def _open_postgres(url: URL) -> tuple[AsyncEngine, AsyncEngine]:
    try:
        from widget_server.store.postgres import ARGUMENTS
    except ModuleNotFoundError as error:
        raise Fault("PostgreSQL needs the extra: pip install 'tenuto[postgres]'.") from error
    writer = create_async_engine(
        url,
        pool_size=_POSTGRES_CONNECTIONS,
        max_overflow=0,
        pool_timeout=_WAIT_S * 2,
        pool_pre_ping=True,
        connect_args=ARGUMENTS,
        **_DISCREET,
    )
    return writer, writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


@contextmanager
def _trouble_as_unavailable() -> Iterator[None]:
    try:
        yield
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
        if _is_our_mistake(error):
            raise
        raise Unavailable(_GONE) from error
    except exc.InternalError as error:
        if not _is_passing(error):
            raise
        raise Unavailable(_GONE) from error


def _is_passing(error: exc.InternalError) -> bool:
    return getattr(error.orig, "sqlstate", None) in _PASSING


def _is_our_mistake(error: exc.SQLAlchemyError) -> bool:
    """SQLite says "no such table" with the same class as "the disk is full"."""
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_ERROR
