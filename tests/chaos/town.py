"""A town: SQL, a Valkey, some `tenuto serve` and `tenuto worker`, and on each way between them a line with faults."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from httpx2 import AsyncClient, TransportError
from sqlalchemy import Executable, create_engine, make_url, text, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.chaos.lines import Line
from tests.chaos.patience import STEP_S, until
from tests.chaos.processes import (
    Postgres,
    Process,
    Supervised,
    Tenuto,
    Valkey,
    new_cluster,
    postgres_process,
    url_of,
    wait_for_postgres,
)
from tests.engine.servers import free_port
from tests.house import SITE
from tests.payments.shop import Shop, keys_of
from tests.store.studio import TALK, YOGA
from widget_server.bootstrap import assembled
from widget_server.domain.attempts import OPENING_FOR
from widget_server.domain.money import Money
from widget_server.domain.payment_accounts import AccountState, KeptAccount
from widget_server.domain.payments import AttemptState, PaymentAccount
from widget_server.domain.schedule import Opening, Service
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.engine import keys
from widget_server.engine.connection import Connection, connect
from widget_server.sealing import Seal
from widget_server.settings import Settings
from widget_server.store import migrations
from widget_server.store.database import Database
from widget_server.store.payment_accounts import PaymentAccounts
from widget_server.store.schedule import put_openings, put_service, put_settings
from widget_server.store.sites import Sites
from widget_server.store.tables import AttemptRow, RefundRow

ROOT = Path(__file__).parents[2]
SERVICES = (YOGA, replace(YOGA, key="choir", name="Choir", capacity=5, seats_per_booking_max=3), TALK)
LESSON = replace(TALK, key="lesson", name="Lesson", price=Money(4500, "EUR"))
WORKSHOP = replace(YOGA, key="workshop", name="Workshop", capacity=6, seats_per_booking_max=3, price=Money(1250, "EUR"))
PRICED = (LESSON, WORKSHOP)
"""Of a town with a shop."""
CAPACITY = {service.key: service.capacity for service in SERVICES + PRICED}
FIRST_DAY = datetime.now(UTC).date() + timedelta(days=2)
DAYS = 8
HOLD_MINUTES = 2
PARTITION = "tenuto"
_ANSWER_MAX_S = 60.0
_FAST = signal.SIGINT
KEY = "a town needs a key of at least thirty-two characters"


@dataclass(frozen=True)
class Templates:
    """What every town is copied from, so that none has to make its tables anew."""

    sqlite: Path
    postgres: Path


def broken(folder: Path, file: str, before: str, after: str) -> Path:
    """A copy of the product with one text replaced, to see that somebody complains."""
    for part in ("widget_server", "lua", "widget_static"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    whole = (folder / file).read_text("utf-8")
    assert before in whole, "there is no such text any more"
    (folder / file).write_text(whole.replace(before, after, 1), "utf-8")
    return folder


@contextmanager
def templates() -> Iterator[Templates]:
    with _short_folder() as folder:
        cluster, sqlite = folder / "cluster", folder / "migrated.sqlite3"
        cluster.mkdir()
        cluster.chmod(0o755)
        new_cluster(cluster)
        _migrate_postgres(cluster)
        migrations.upgrade(make_url(f"sqlite:///{sqlite}"))
        yield Templates(sqlite, cluster)


def _migrate_postgres(cluster: Path) -> None:
    server = postgres_process(cluster)
    server.start()
    try:
        wait_for_postgres(server, url_of(cluster))
        admin = create_engine(url_of(cluster).replace("/tenuto?", "/postgres?"), isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text("CREATE DATABASE tenuto"))
        admin.dispose()
        migrations.upgrade(make_url(url_of(cluster)))
    finally:
        server.end(_FAST)


@dataclass
class Member:
    """A web process or a worker, with its own lines, so that each can have faults of its own."""

    supervised: Supervised
    redis: Line
    sql: Line | None
    port: int = 0
    stripe: Line | None = None

    @property
    def process(self) -> Process:
        return self.supervised.process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_up(self) -> bool:
        """It has got as far as saying so since it was last started."""
        return self.process.runs and ("Serving on" if self.port else "Working") in self.process.said_since_start()

    def lines(self) -> list[Line]:
        return [line for line in (self.redis, self.sql, self.stripe) if line is not None]


@dataclass
class Town:
    folder: Path
    valkey: Valkey
    postgres: Postgres | None
    sql_url: str
    tree: Path = ROOT
    shop: Shop | None = None
    """Where its customers pay."""
    webs: list[Member] = field(default_factory=list)
    workers: list[Member] = field(default_factory=list)

    @property
    def members(self) -> list[Member]:
        return [*self.webs, *self.workers]

    @property
    def services(self) -> tuple[Service, ...]:
        return SERVICES + PRICED if self.shop else SERVICES

    @cached_property
    def slots(self) -> list[Slot]:
        """All that can be booked, the first days first."""
        return self.slots_of_services(self.services)

    def slots_of_services(self, services: Iterable[Service]) -> list[Slot]:
        return [slot for day in range(DAYS) for service in services for slot in slots_of(service, day)]

    @asynccontextmanager
    async def redis(self) -> AsyncIterator[Connection]:
        """A line of our own, past all faults but those of Valkey itself."""
        connection = await connect(self.valkey.url)
        try:
            yield connection
        finally:
            await connection.close()

    async def leap(self, by: timedelta) -> None:
        """So much time passes for all deadlines at once."""
        async with self.redis() as redis:
            clock = keys.of_partition(PARTITION).clock
            await redis.read(("HINCRBY", clock, "offset", by // timedelta(milliseconds=1)))

    async def close_windows(self, hold_ids: Collection[str], *, ago: timedelta = timedelta(0)) -> None:
        """Of whoever is at a pay page for these: their time to pay was over so long `ago`. Raises SQLAlchemyError."""
        now = datetime.now(UTC)
        over = update(AttemptRow).where(col(AttemptRow.state) == AttemptState.OPEN)
        over = over.values(pay_until=now - ago, due_at=now)
        await self._sql(*(over.where(col(AttemptRow.hold_id) == hold_id) for hold_id in hold_ids))

    async def hurry_payments(self) -> None:
        """As if hours had passed for all who pay or are paid back: nobody waits any longer, and workers look now.

        Raises SQLAlchemyError.
        """
        now = datetime.now(UTC)
        attempts = await self._sql(select(AttemptRow.id).where(col(AttemptRow.due_at).is_not(None)))
        refunds = await self._sql(select(RefundRow.id).where(col(RefundRow.due_at).is_not(None)))
        passed = (
            (AttemptState.OPENING, {"created_at": now - OPENING_FOR}),
            (AttemptState.OPEN, {"pay_until": now}),
            (AttemptState.OFFERING, {"offered_until": now}),
        )
        changes: list[Executable] = []
        for (id_,) in attempts:
            one = update(AttemptRow).where(col(AttemptRow.id) == id_)
            changes += [one.where(col(AttemptRow.state) == state).values(**then) for state, then in passed]
            changes += [one.where(col(AttemptRow.due_at).is_not(None)).values(due_at=now)]
        due = update(RefundRow).where(col(RefundRow.due_at).is_not(None)).values(due_at=now)
        changes += [due.where(col(RefundRow.id) == id_) for (id_,) in refunds]
        await self._sql(*changes)

    async def open_attempts(self, hold_ids: Collection[str]) -> int:
        """How many of these can still be paid, or nobody knows yet whether they were. Raises SQLAlchemyError."""
        is_open = (col(AttemptRow.state) == AttemptState.OPEN, col(AttemptRow.hold_id).in_(hold_ids))
        return len(await self._sql(select(AttemptRow.id).where(*is_open)))

    async def _sql(self, *statements: Executable) -> list[Any]:
        """Past all lines, and in a thread of its own: the lines are carried by ours. All rows that were found.

        Each has a transaction of its own: with two rows locked it could stand in somebody's way who has one of them and
        wants the other.
        """

        def asked() -> list[Any]:
            engine = create_engine(self.sql_url.replace("+aiosqlite", ""))
            rows: list[Any] = []
            try:
                with engine.connect() as sql:
                    for statement in statements:
                        done = sql.execute(statement)
                        rows += done.all() if done.returns_rows else []
                        sql.commit()
            finally:
                engine.dispose()
            return rows

        return await asyncio.to_thread(asked)

    async def site(self) -> Site:
        """As it is in SQL now."""
        database = Database(self.sql_url, self.folder)
        try:
            found = await Sites(database).by_key(SITE)
            assert found is not None
            return found
        finally:
            await database.close()

    async def gate(self) -> tuple[int, str]:
        """Epoch and state, as Redis has them; no epoch where it has none."""
        async with self.redis() as redis:
            (gate,) = await redis.read(("HMGET", keys.of_site(PARTITION, SITE).gate, "epoch", "state"))
        return int(gate[0] or 0), gate[1] or ""

    async def filled(self, after: int) -> int:
        """The epoch in which Redis has the site, once that is later than this one."""
        while True:
            epoch, state = await self.gate()
            if epoch > after and state == "OPEN":
                return epoch
            await asyncio.sleep(STEP_S)

    async def until_all_are_up(self) -> None:
        async def all_are() -> bool:
            return all(member.is_up for member in self.members)

        await until(all_are, patience_s=_ANSWER_MAX_S)

    async def two_that_are_ready(self) -> tuple[Member, Member]:
        """Web processes."""
        async with asyncio.timeout(_ANSWER_MAX_S):
            while True:
                ready = [web for web in self.webs if await _is_ready(web)]
                if len(ready) >= 2:
                    return ready[0], ready[1]
                await asyncio.sleep(STEP_S)

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TENUTO_")}
        return {
            **kept,
            "PYTHONPATH": str(self.tree),
            "TENUTO_DATA_DIR": str(self.folder),
            "TENUTO_SECRET_KEY": KEY,
            "TENUTO_HOST": "127.0.0.1",
            "TENUTO_TRUSTED_PROXIES": "127.0.0.0/8",
            "TENUTO_AUDIT_ROUND_S": "1",
            "TENUTO_REDIS_URL": self.valkey.url,
            "TENUTO_DATABASE_URL": self.sql_url,
        }


@asynccontextmanager
async def town(
    made_from: Templates,
    *,
    postgres: bool,
    webs: int = 2,
    workers: int = 2,
    clock: bool = False,
    tree: Path = ROOT,
    shop: Shop | None = None,
) -> AsyncIterator[Town]:
    """A whole town at work, with a studio in it, which takes money for some services if there is a shop. At its end all
    its processes have ended.
    """
    async with AsyncExitStack() as at_the_end:
        folder = at_the_end.enter_context(_short_folder())
        new = await _with_servers(folder, made_from, at_the_end, postgres=postgres, clock=clock, tree=tree)
        new.shop = shop
        await _found_a_studio(new)
        for number in range(webs):
            port = free_port()
            new.webs.append(await _member(new, f"web{number}", ("serve", "--port", str(port)), at_the_end, port))
        for number in range(workers):
            new.workers.append(await _member(new, f"worker{number}", ("worker",), at_the_end))
        await new.until_all_are_up()
        yield new


async def _with_servers(
    folder: Path, made_from: Templates, at_the_end: AsyncExitStack, *, postgres: bool, clock: bool, tree: Path
) -> Town:
    valkey = Valkey(folder / "valkey", clock=clock)
    at_the_end.callback(valkey.process.kill)
    await valkey.start()
    if not postgres:
        shutil.copy(made_from.sqlite, folder / "tenuto.sqlite3")
        return Town(folder, valkey, None, f"sqlite+aiosqlite:///{folder / 'tenuto.sqlite3'}", tree)
    server = Postgres(folder / "sql", made_from.postgres)
    at_the_end.callback(server.stop_at_once)
    await server.start()
    return Town(folder, valkey, server, server.url, tree)


async def _found_a_studio(new: Town) -> None:
    settings = Settings(data_dir=new.folder, redis_url=new.valkey.url, database_url=new.sql_url)
    async with assembled(settings, new.valkey.url) as parts:
        await parts.use_cases.sites.create(key=SITE, name="The studio", zone="UTC", currency="EUR")
        await parts.use_cases.reconciliation.ensure_loaded(SITE)
        site = await new.site()

        async def write(session: AsyncSession) -> None:
            await put_settings(session, replace(site, hold_minutes=HOLD_MINUTES))
            for service in new.services:
                await put_service(session, site.id, service, at=datetime.now(UTC))
                await put_openings(session, site.id, service.key, _openings(service))
            if new.shop is not None:
                await _take_payments(session, parts.database, site, keys_of(new.shop.account))

        await parts.use_cases.scheduling.change(site, write)


async def _take_payments(session: AsyncSession, database: Database, site: Site, its_keys: PaymentAccount) -> None:
    now = datetime.now(UTC)
    kept = KeptAccount(False, "", "", "Studio", AccountState.ACCEPTED, now, now, now, None, is_readable=True)
    await PaymentAccounts(database, Seal(KEY.encode())).put(session, site.id, kept, its_keys)


async def _member(new: Town, name: str, command: tuple[str, ...], at_the_end: AsyncExitStack, port: int = 0) -> Member:
    env, folder = new.environment(), new.folder / name
    folder.mkdir()
    redis = Line(folder / "redis.sock", new.valkey.socket)
    env["TENUTO_REDIS_URL"] = f"unix://{redis.own}"
    sql = None
    if new.postgres is not None:
        sql = Line(folder / new.postgres.socket.name, new.postgres.socket)
        env["TENUTO_DATABASE_URL"] = url_of(folder)
    stripe = None
    if new.shop is not None:
        stripe = Line(free_port(), int(new.shop.url.rpartition(":")[2]))
        env["TENUTO_PUBLIC_URL"] = "https://book.example.org"  # each page is asked for in the same words by all
        env["TENUTO_STRIPE_URL"] = f"http://127.0.0.1:{stripe.own}"
    process = Tenuto(name, command, new.folder, env=env, tree=new.tree)
    member = Member(Supervised(process), redis, sql, port, stripe)
    for line in member.lines():
        await at_the_end.enter_async_context(line.open())
    keeping = asyncio.create_task(member.supervised.keep())
    at_the_end.push_async_callback(_end, keeping)
    return member


async def _is_ready(web: Member) -> bool:
    async with AsyncClient(timeout=_ANSWER_MAX_S) as client:
        try:
            return (await client.get(f"{web.url}/readyz")).status_code == 200
        except TransportError:
            return False


async def _end(keeping: asyncio.Task[None]) -> None:
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


def _openings(service: Service) -> list[Opening]:
    """On these days only: what is offered to whoever has paid too late are slots that we know, too."""
    days = [FIRST_DAY + timedelta(days=day) for day in range(DAYS)]
    return [Opening(service.key, time(8), time(12), day=day) for day in days]


def slots_of(service: Service, day: int) -> Iterator[Slot]:
    length = timedelta(minutes=service.length_min)
    first = datetime.combine(FIRST_DAY + timedelta(days=day), time(8), UTC)
    for number in range(timedelta(hours=4) // length):
        yield Slot(service.key, first + number * length, first + (number + 1) * length)


@contextmanager
def _short_folder() -> Iterator[Path]:
    """Paths of sockets must be short, and pytest's own folders are not."""
    folder = Path(tempfile.mkdtemp(prefix="tenuto-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
