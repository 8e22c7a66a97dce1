"""The real command in a process and a data folder of its own, and a way to its sites and its clock."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from redis.asyncio import Redis
from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.engine.servers import free_port
from widget_server.bootstrap import Parts, assembled, secret_key
from widget_server.demo import PRETEND_KEYS
from widget_server.domain.blackouts import Blackout
from widget_server.domain.holds import Line
from widget_server.domain.money import Money
from widget_server.domain.payment_accounts import AccountState, KeptAccount
from widget_server.domain.questions import Question
from widget_server.domain.schedule import Opening, Place, Service, ServiceKind
from widget_server.domain.services import HORIZON_DAYS_DEFAULT
from widget_server.domain.sites import DEFAULT_PARTITION, Site
from widget_server.domain.slots import Slot
from widget_server.engine import keys
from widget_server.engine.connection import connect
from widget_server.engine.embedded import start_or_attach
from widget_server.engine.reservations import Reservations
from widget_server.errors import Loading
from widget_server.ids import hash_secret, new_id
from widget_server.sealing import Seal
from widget_server.settings import Settings
from widget_server.store.blackouts import put_blackout
from widget_server.store.payment_accounts import PaymentAccounts
from widget_server.store.schedule import put_openings, put_service, put_settings
from widget_server.store.tables import AttemptRow
from widget_server.use_cases.pinning import HoldRef, Visit

BERLIN = ZoneInfo("Europe/Berlin")
ENDING_MAX_S = LOADING_MAX_S = HEARING_MAX_S = 60.0
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Offer:
    """One service, offered every day from ten o'clock unless told otherwise, and one after another."""

    key: str
    capacity: int
    seats_max: int
    slots_a_day: int = 2
    days: tuple[date, ...] | None = None
    """On these days only."""
    starts: int = 10
    notice_min: int = 0
    horizon_days: int = HORIZON_DAYS_DEFAULT
    cancel_until_min: int = 0
    is_offered: bool = True
    price_minor: int = 0
    refund_percent: int = 100
    questions: tuple[Question, ...] = ()

    def service(self) -> Service:
        return Service(
            key=self.key,
            name=self.key.capitalize(),
            kind=ServiceKind.CLASS,
            place=Place.IN_PERSON,
            description="An unhurried hour.",
            length_min=60,
            capacity=self.capacity,
            seats_per_booking_max=self.seats_max,
            price=Money(self.price_minor, "EUR"),
            access="Elm Street 12",
            notice_min=self.notice_min,
            horizon_days=self.horizon_days,
            cancel_until_min=self.cancel_until_min,
            is_offered=self.is_offered,
            refund_percent=self.refund_percent,
            questions=self.questions,
        )

    def openings(self) -> list[Opening]:
        hours = time(self.starts), time(self.starts + self.slots_a_day)
        if self.days is not None:
            return [Opening(self.key, *hours, day=day) for day in self.days]
        return [Opening(self.key, *hours, weekday=weekday) for weekday in range(7)]


LESSON = Offer("lesson", capacity=1, seats_max=1)
YOGA = Offer("yoga", capacity=12, seats_max=6)


@dataclass(frozen=True, slots=True)
class Studio:
    """A site of the running server."""

    key: str
    url: str
    """Of the server, as the widget knows it."""

    def slot(self, offer: Offer, number: int = 0, *, day: date | None = None) -> Slot:
        """Of the day after tomorrow, unless told otherwise: so midnight may pass while a test runs."""
        day = day or datetime.now(BERLIN).date() + timedelta(days=2)
        starts_at = datetime.combine(day, time(offer.starts + number), BERLIN).astimezone(UTC)
        return Slot(offer.key, starts_at, starts_at + timedelta(hours=1))


@dataclass
class Server:
    """`tenuto demo`. Stop it and start it again as often as you like; the data stay."""

    data_dir: Path
    port: int
    told: str = ""
    _process: subprocess.Popen[str] | None = None
    _sites: int = field(default=0)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def first_run_link(self) -> str:
        found = re.search(r"\S+/admin/setup#\S+", self.told)
        assert found is not None, self.told
        return found[0]

    def start(self) -> None:
        surroundings = {name: value for name, value in os.environ.items() if not name.startswith("TENUTO_")}
        surroundings |= {"TENUTO_DATA_DIR": str(self.data_dir), "PYTHONPATH": str(ROOT)}
        log = (self.data_dir.parent / "log").open("a")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "widget_server", "demo", "--port", str(self.port)],
            env=surroundings,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        log.close()
        assert self._process.stdout is not None
        lines = []
        while "Ctrl-C" not in (line := self._process.stdout.readline()):
            lines.append(line)
            assert line, f"it ended: {''.join(lines)} {(self.data_dir.parent / 'log').read_text()}"
        self.told = "".join(lines)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        process = self._process
        if process is None:
            return 0
        self._process = None
        process.send_signal(how)
        try:
            return process.wait(ENDING_MAX_S)
        finally:
            assert process.stdout is not None
            process.stdout.close()

    @asynccontextmanager
    async def parts(self) -> AsyncIterator[Parts]:
        """The server's own parts once more, in our process: a second process on the same data, as a worker would be."""
        url = await asyncio.to_thread(_redis_url, self.data_dir)
        settings = Settings(data_dir=self.data_dir, port=self.port, redis_url=url, database_url=None)
        async with assembled(settings, url) as parts:
            yield parts

    async def open_studio(
        self,
        *offers: Offer,
        origins: Sequence[str],
        holds_on: bool = True,
        hold_minutes: int = 10,
    ) -> Studio:
        """A new site that nobody else knows, so that no test is in the way of another."""
        self._sites += 1
        async with self.parts() as parts:
            site = await parts.use_cases.sites.create(
                key=f"studio-{self._sites}", name="Studio Tenuto", zone=BERLIN.key, currency="EUR"
            )
            await _loaded(parts, site)
            await self._set(
                parts, replace(site, origins=tuple(origins), holds_on=holds_on, hold_minutes=hold_minutes), offers
            )
        return Studio(site.key, self.url)

    async def change(self, studio: Studio, **wanted: Any) -> None:
        """What an operator would do in the settings."""
        async with self.parts() as parts:
            site = await parts.sites.by_key(studio.key)
            assert site is not None
            await self._set(parts, replace(site, **wanted), ())

    async def offer(self, studio: Studio, *offers: Offer) -> None:
        """What an operator would do with services and their openings."""
        async with self.parts() as parts:
            site = await parts.sites.by_key(studio.key)
            assert site is not None
            await self._set(parts, site, offers)

    async def black_out(self, studio: Studio, blackout: Blackout) -> None:
        async with self.parts() as parts:
            site = await parts.sites.by_key(studio.key)
            assert site is not None
            await self._change(parts, site, lambda session: put_blackout(session, site.id, blackout))

    async def take_payments(self, studio: Studio) -> None:
        """At the pretend Stripe that this server brings along, which knows these keys."""
        keys, now = PRETEND_KEYS[False], datetime.now(UTC)
        kept = KeptAccount(False, "", "", "Studio", AccountState.ACCEPTED, now, now, now, None, is_readable=True)
        async with self.parts() as parts:
            site = await parts.sites.by_key(studio.key)
            assert site is not None
            accounts = PaymentAccounts(parts.database, Seal(secret_key(parts.settings)))
            await self._change(parts, site, lambda session: accounts.put(session, site.id, kept, keys))

    async def end_payment_windows(self, studio: Studio, *, look_in: timedelta = timedelta(0)) -> None:
        """As if their time had passed, and that of their holds: the next who looks asks Stripe, whose answer counts."""
        async with self._redis() as redis:
            async for hold in redis.scan_iter(f"*:{studio.key}:hold:*"):
                await redis.hset(hold, "deadline", "1")
        async with self.parts() as parts, parts.database.transaction() as session:
            site = await parts.sites.by_key(studio.key)
            assert site is not None
            now = datetime.now(UTC)
            of_site = update(AttemptRow).where(col(AttemptRow.site_id) == site.id, col(AttemptRow.due_at).is_not(None))
            await session.exec(of_site.values(pay_until=now, due_at=now + look_in))

    async def let_windows_pass(self, studio: Studio) -> None:
        """As above, but nobody has looked yet: whoever pays now is late."""
        await self.end_payment_windows(studio, look_in=timedelta(hours=1))

    async def give_away_what_is_being_paid(self, studio: Studio, slot: Slot) -> None:
        """Redis forgets that these seats wait for their payment, and somebody else holds all that is free of them."""
        async with self.parts() as parts:
            site = await parts.sites.by_key(studio.key)
            assert site is not None
            engine = Reservations(await connect(await asyncio.to_thread(_redis_url, self.data_dir)))
            async with parts.database.snapshot() as session:
                of_site = select(AttemptRow.hold_id).where(col(AttemptRow.site_id) == site.id)
                (hold_id,) = await session.exec(of_site)
            pin = await engine.pinned(site, hold_id)
            assert pin is not None
            await engine.unpin(site, hold_id, fence=pin.fence, release=True)
            ben = HoldRef(site.key, new_id(), hash_secret("ben"))
            await parts.use_cases.bookings.hold(ben, [Line(slot, 1)], Visit("ben", "ben"))
            await engine._connection.close()

    async def first_run_link_of(self, studio: Studio) -> str:
        async with self.parts() as parts:
            site = await parts.sites.by_key(studio.key)
            assert site is not None
            return f"{self.url}/admin/setup#{await parts.use_cases.sites.first_run_token(site)}"

    async def let_pass(self, time_passing: timedelta) -> None:
        """Move the clock by which holds end. Only for a server of your own."""
        offset_ms = int(time_passing.total_seconds() * 1000)
        async with self._redis() as redis:
            await redis.hincrby(keys.of_partition(DEFAULT_PARTITION).clock, "offset", offset_ms)

    async def lose_everything_in_redis(self) -> None:
        """Only for a server of your own."""
        async with self._redis() as redis:
            await redis.flushall()

    async def _set(self, parts: Parts, wanted: Site, offers: Sequence[Offer]) -> None:
        async def write(session: AsyncSession) -> None:
            await put_settings(session, wanted)
            for offer in offers:
                await put_service(session, wanted.id, offer.service(), at=datetime.now(UTC))
                await put_openings(session, wanted.id, offer.key, offer.openings())

        await self._change(parts, wanted, write)

    async def _change(self, parts: Parts, site: Site, write: Callable[[AsyncSession], Awaitable[Any]]) -> None:
        """Until the server, too, has heard what another process has changed: what is free says so."""
        version = await parts.use_cases.scheduling.change(site, write)
        parts.use_cases.catalog.forget(site.key)
        services = (await parts.use_cases.catalog.find(site.key)).schedule.services.values()
        offered = next((service.key for service in services if service.is_offered), None)
        day = datetime.now(BERLIN).date() + timedelta(days=1)
        path = f"/v1/sites/{site.key}/services/{offered}/availability?from={day}&to={day}"
        async with asyncio.timeout(HEARING_MAX_S):
            while True:
                if offered is None or await asyncio.to_thread(self._version_of, path) >= version:
                    return
                await asyncio.sleep(0.01)

    def _version_of(self, path: str) -> int:
        """Of the schedule that the server answers by; 0 while it does not."""
        with closing(HTTPConnection("localhost", self.port)) as asking:
            asking.request("GET", path)
            answer = asking.getresponse()
            told = answer.read()
        return int(json.loads(told)["schedule_version"]) if answer.status == 200 else 0

    @asynccontextmanager
    async def _redis(self) -> AsyncIterator[Redis]:
        url = await asyncio.to_thread(_redis_url, self.data_dir)
        redis = Redis(unix_socket_path=unquote(url.removeprefix("unix://")))
        try:
            yield redis
        finally:
            await redis.aclose()


def new_server(folder: Path) -> Server:
    return Server(folder / "data", free_port())


async def _loaded(parts: Parts, site: Site) -> None:
    """The server's worker has seen the new site too, and may be filling it just now."""
    async with asyncio.timeout(LOADING_MAX_S):
        while True:
            try:
                return await parts.use_cases.reconciliation.ensure_loaded(site.key)
            except Loading:
                await asyncio.sleep(0.05)


def _redis_url(data_dir: Path) -> str:
    redis = start_or_attach(data_dir)
    assert not redis.owned, "the server of this data folder does not run"
    return redis.url
