"""No update is lost, no read is torn, no instant loses its zone; and what happens when the database is not there."""

import asyncio
import sqlite3
import stat
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep

import anyio
import psycopg
import pytest
import structlog
from sqlalchemy import make_url, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, StatementError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import col, select, text
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.engine.proxies import Proxy
from tests.store.studio import NOW, found, slot
from widget_server.domain.sites import Site
from widget_server.errors import Fault, Unavailable
from widget_server.store.database import Database
from widget_server.store.sites import Sites
from widget_server.store.tables import MeetingRow, SiteRow

pytestmark = pytest.mark.anyio

Transaction = Callable[[], AbstractAsyncContextManager[AsyncSession]]


async def put_meeting(db: Database, site: Site, *, booked: int = 0) -> None:
    offered = slot(capacity=1000)
    async with db.transaction() as session:
        session.add(
            MeetingRow(
                site_id=site.id,
                slot=offered.slot.id,
                service="yoga",
                starts_at=offered.slot.starts_at,
                capacity=offered.capacity,
                booked=booked,
                version=0,
            )
        )


async def booked(db: Database) -> int:
    async with db.snapshot() as session:
        return (await session.exec(select(MeetingRow.booked))).one()


async def book_by_reading_first(transaction: Transaction, times: int) -> int:
    """Read the count, write it back one higher: the careless way, which needs the database to keep the turns.

    Returns how many of these transactions failed.
    """
    failed = 0

    async def book() -> None:
        nonlocal failed
        try:
            async with transaction() as session:
                meeting = (await session.exec(select(MeetingRow))).one()
                await anyio.lowlevel.checkpoint()
                meeting.booked += 1
        except OperationalError:
            failed += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(times):
            tasks.start_soon(book)
    return failed


async def rename(way: Transaction, site: Site, then: Callable[[], None] = lambda: None) -> None:
    async with way() as session:
        row = await session.get(SiteRow, site.id)
        assert row is not None
        row.name = "Renamed"
        await session.flush()
        then()


@pytest.fixture
async def sqlite(sqlite_url: str, tmp_path: Path) -> Database:
    return Database(sqlite_url, tmp_path)


async def test_on_sqlite_no_update_is_lost_even_by_those_who_read_first(sqlite: Database) -> None:
    await put_meeting(sqlite, await found(sqlite, "studio"))

    failed = await book_by_reading_first(sqlite.transaction, 200)

    assert (failed, await booked(sqlite)) == (0, 200)
    await sqlite.close()


async def test_control_group_without_our_set_up_sqlite_loses_updates(sqlite: Database, sqlite_url: str) -> None:
    await put_meeting(sqlite, await found(sqlite, "studio"))
    careless = create_async_engine(sqlite_url.replace("sqlite:", "sqlite+aiosqlite:"))

    class CarelessTransaction(AsyncSession):
        async def __aexit__(self, kind: object, error: object, trace: object) -> None:
            if error is None:
                await self.commit()
            await self.close()

    failed = await book_by_reading_first(lambda: CarelessTransaction(careless), 200)

    assert await booked(sqlite) < 200, "the guard is not needed any more?"
    assert failed + await booked(sqlite) <= 200
    await careless.dispose()
    await sqlite.close()


async def test_two_processes_may_write_one_sqlite_file(sqlite: Database, sqlite_url: str, tmp_path: Path) -> None:
    await put_meeting(sqlite, await found(sqlite, "studio"))
    worker = Database(sqlite_url, tmp_path)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(book_by_reading_first, sqlite.transaction, 30)
        tasks.start_soon(book_by_reading_first, worker.transaction, 30)

    assert await booked(sqlite) == 60
    await worker.close()
    await sqlite.close()


async def test_sqlite_survives_a_power_cut_and_reads_while_it_writes(sqlite: Database) -> None:
    async with sqlite.transaction() as session:
        pragmas = [
            (await session.exec(text(f"PRAGMA {name}"))).scalar_one()  # type: ignore[call-overload]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]

    assert pragmas == ["wal", 2, 1, 5000]
    await sqlite.close()


async def test_a_snapshot_stays_as_it_is_while_writes_go_on(db: Database, site: Site) -> None:
    await put_meeting(db, site, booked=1)

    async with db.snapshot() as session:
        before = (await session.exec(select(MeetingRow.booked))).one()
        for _ in range(5):
            assert await book_by_reading_first(db.transaction, 1) == 0
        after = (await session.exec(select(MeetingRow.booked))).one()

    assert (before, after, await booked(db)) == (1, 1, 6)


async def test_a_snapshot_cannot_write(db: Database, site: Site) -> None:
    with pytest.raises((Unavailable, DBAPIError)):
        await rename(db.snapshot, site)

    assert await Sites(db).by_key("studio") == site


async def test_a_transaction_that_fails_leaves_no_trace(db: Database, site: Site) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await rename(db.transaction, site, then=fail)

    assert await Sites(db).by_key("studio") == site


async def test_a_transaction_once_begun_is_finished_even_if_its_caller_hangs_up(db: Database, site: Site) -> None:
    """Else SQLAlchemy closes its connection in a cancelled task, and one in ten keeps the write lock of SQLite."""
    with anyio.CancelScope() as caller:
        async with db.transaction() as session:
            await session.exec(update(SiteRow).values(name="half done"))
            caller.cancel()
            await session.exec(update(SiteRow).values(name="done"))

    finished = await Sites(db).by_key("studio")
    assert finished is not None
    assert finished.name == "done"


async def give_up_waiting(work: Callable[[], Awaitable[object]], delay_s: float) -> None:
    with anyio.move_on_after(delay_s):
        await work()


async def cancel_once(work: Callable[[], Awaitable[object]], delay_s: float) -> None:
    task = asyncio.ensure_future(work())
    await asyncio.sleep(delay_s)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("cancel", [give_up_waiting, cancel_once])
async def test_whoever_hangs_up_leaves_nothing_half_done_and_nobody_waiting(
    db: Database, site: Site, cancel: Callable[[Callable[[], Awaitable[object]], float], Awaitable[None]]
) -> None:
    async def write() -> None:
        async with db.transaction() as session:
            for name in ("half done", "done"):
                await session.exec(update(SiteRow).values(name=name))

    for turn in range(30):
        await cancel(write, turn * 0.0003)

        with anyio.fail_after(20):
            await Sites(db).raise_epoch(site.id)
        found = await Sites(db).by_key("studio")
        assert found is not None
        assert found.name != "half done"


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-7))])
async def test_an_instant_comes_back_in_utc(db: Database, site: Site, zone: timezone) -> None:
    at = datetime(2026, 3, 29, 2, 30, 15, 123456, tzinfo=zone)
    async with db.transaction() as session:
        row = await session.get(SiteRow, site.id)
        assert row is not None
        row.setup_until = at

    async with db.snapshot() as session:
        read = (await session.exec(select(SiteRow.setup_until))).one()
        later = (await session.exec(select(SiteRow.id).where(col(SiteRow.setup_until) > at))).all()
    assert read == at
    assert read is not None
    assert read.tzinfo is UTC
    assert later == []


async def test_an_instant_without_a_zone_is_refused(db: Database) -> None:
    with pytest.raises(StatementError, match="an instant carries its zone"):
        await found(db, "studio", at=NOW.replace(tzinfo=None))


@pytest.mark.parametrize("booked", [-1, 1001])
async def test_no_meeting_has_fewer_than_no_seats_booked_or_more_than_its_capacity(
    db: Database, site: Site, booked: int
) -> None:
    with pytest.raises(IntegrityError, match="ck_meeting_booked"):
        await put_meeting(db, site, booked=booked)


async def test_a_slot_has_one_meeting(db: Database, site: Site) -> None:
    await put_meeting(db, site)

    with pytest.raises(IntegrityError):
        await put_meeting(db, site)


async def test_a_database_that_is_there_answers(db: Database) -> None:
    await db.ping()


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/nothing", "sqlite:////no-such-folder/tenuto.sqlite3"])
async def test_a_database_that_is_not_there_is_unavailable_or_a_fault_at_the_start(url: str, tmp_path: Path) -> None:
    gone = Database(url, tmp_path)

    for way in (gone.transaction, gone.snapshot):
        with pytest.raises(Unavailable):
            async with way() as session:
                await session.exec(select(SiteRow))
    with pytest.raises(Fault, match="cannot be brought up to date"):
        await gone.migrate()
    with pytest.raises(Unavailable):
        await gone.must_be_current()
    await gone.close()


async def test_a_sqlite_file_that_somebody_else_keeps_locked_is_unavailable(
    sqlite: Database, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("widget_server.store.database._WAIT_S", 0.1)
    other = sqlite3.connect(tmp_path / "tenuto.sqlite3", isolation_level=None)
    impatient = Database(sqlite_url, tmp_path)
    await impatient.ping()
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(Unavailable):
        await Sites(impatient).raise_epoch(1)
    other.close()
    await impatient.close()
    await sqlite.close()


async def do(way: Transaction, *steps: str | Callable[[], object]) -> None:
    async with way() as session:
        for step in steps:
            if isinstance(step, str):
                await session.exec(text(step))  # type: ignore[call-overload]
            else:
                step()


async def test_nobody_waits_for_ever_for_a_postgres_that_is_frozen(
    emptied_postgres_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    there, name = str(make_url(emptied_postgres_url).query["host"]), ".s.PGSQL.5432"
    with TemporaryDirectory(prefix="tenuto-") as folder:  # the path of a socket must be short
        line = Proxy(Path(there, name), Path(folder, name))

        def freeze() -> None:
            line.speaks.clear()
            in_haste.setattr("widget_server.store.postgres._ANSWER_S", 0.05)

        async with line.running(), asyncio.timeout(60):
            db = Database(emptied_postgres_url.replace(there, folder), tmp_path)
            for way in (db.transaction, db.snapshot):
                await db.ping()
                with pytest.raises(Unavailable), monkeypatch.context() as in_haste:
                    await do(way, "SELECT 1", freeze, "SELECT 1")
                line.speaks.set()
            await db.ping()
            await db.close()


async def test_a_postgres_that_takes_no_writes_is_unavailable(emptied_postgres_url: str, tmp_path: Path) -> None:
    """As a standby, or with a full disk."""
    first, later = (Database(emptied_postgres_url, tmp_path) for _ in range(2))
    with psycopg.connect(emptied_postgres_url, autocommit=True) as operator:
        operator.execute("ALTER DATABASE of_all SET default_transaction_read_only = on")
        try:
            with pytest.raises(Unavailable):
                await first.ping()
        finally:
            operator.execute("ALTER DATABASE of_all RESET default_transaction_read_only")

    site = await found(later, "studio")
    with pytest.raises(Unavailable):
        await do(later.transaction, "SET TRANSACTION READ ONLY", "UPDATE site SET name = 'renamed'")
    assert await Sites(later).by_key("studio") == site
    await first.close()
    await later.close()


async def test_whoever_stood_still_in_a_transaction_does_it_again(emptied_postgres_url: str, tmp_path: Path) -> None:
    """As a machine that was suspended: PostgreSQL has hung up meanwhile."""
    db = Database(emptied_postgres_url, tmp_path)
    with pytest.raises(Unavailable):
        await do(db.transaction, "SET LOCAL idle_in_transaction_session_timeout = 1", lambda: sleep(0.1), "SELECT 1")
    await db.ping()
    await db.close()


async def test_our_own_mistakes_are_not_passed_off_as_trouble(db: Database) -> None:
    with pytest.raises(Exception, match="no_such_table"):
        async with db.snapshot() as session:
            await session.exec(text("SELECT 1 FROM no_such_table"))  # type: ignore[call-overload]


async def test_without_a_url_there_is_a_file_in_the_data_folder_for_us_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a folder?" / "100%"
    db = Database(None, folder)
    await db.migrate()

    await db.ping()
    assert (folder / "tenuto.sqlite3").exists()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    await db.close()


@pytest.mark.parametrize("url", ["nonsense", "mysql://localhost/tenuto", "sqlite://", "sqlite:///:memory:"])
def test_a_url_that_makes_no_sense_is_told_in_one_sentence(url: str, tmp_path: Path) -> None:
    with pytest.raises(Fault, match="TENUTO_DATABASE_URL"):
        Database(url, tmp_path)


async def test_an_error_that_is_logged_carries_nothing_of_what_was_written(
    db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    anna = "".join(["Anna Ge", "heim"])  # a trace also shows the line of code
    with pytest.raises(IntegrityError) as refused:
        async with db.transaction() as session:
            await session.exec(text("INSERT INTO site (name) VALUES (:name)"), params={"name": anna})  # type: ignore[call-overload]
    structlog.get_logger().error("request_failed", exc_info=refused.value)

    logged = capsys.readouterr().out
    assert "INSERT INTO site" in logged
    assert "Geheim" not in logged
