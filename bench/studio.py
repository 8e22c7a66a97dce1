"""The only place for what is measured: a site whose month has 1,488 slots, its Valkey, and real `tenuto` processes."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from urllib.parse import unquote

from sqlmodel.ext.asyncio.session import AsyncSession

from bench.lean import RedisLine
from bench.table import trust
from widget_server.bootstrap import Parts, assembled
from widget_server.domain.holds import Line
from widget_server.domain.money import Money
from widget_server.domain.policies import HOLDS_PER_NETWORK_MAX, HOLDS_PER_VISITOR_MAX
from widget_server.domain.schedule import (
    CapacityRule,
    Opening,
    Place,
    Schedule,
    Service,
    ServiceKind,
    Shift,
    StaffMember,
)
from widget_server.domain.sites import Site
from widget_server.domain.slots import OfferedSlot
from widget_server.engine import calls, keys
from widget_server.engine.calls import Call, Terms, Wanted
from widget_server.engine.embedded import start_or_attach
from widget_server.engine.reservations import LIMIT_LENGTHS
from widget_server.engine.scripts import load_all
from widget_server.ids import hash_secret, new_id
from widget_server.settings import Settings
from widget_server.store.schedule import put_openings, put_service, put_settings
from widget_server.store.staff import put_member, put_shifts

SITE, SERVICE = "studio", "desk"
DAYS, SLOTS = 31, 1_488
STAFFED, STAFFED_SLOTS, STAFF, SHIFT_DAYS = "chair", 1_240, 40, 365
HOLD_MINUTES = 60
"""Longer than the run: no hold ends but those that shall."""

_ROOM_FOR_ALL = 1_000_000
_ROOT = Path(__file__).parents[1]
_MIDNIGHT, _EIGHT, _SIX_PM = time(0), time(8), time(18)
_Furnish = Callable[[Parts, Site], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Studio:
    settings: Settings
    redis_url: str
    site: Site
    schedule: Schedule
    service: str = SERVICE

    @property
    def redis_path(self) -> str:
        return unquote(self.redis_url.removeprefix("unix://"))

    @property
    def first_day(self) -> date:
        """From the day after tomorrow on, so that no slot begins while we measure."""
        return datetime.now(UTC).date() + timedelta(days=2)

    @property
    def last_day(self) -> date:
        return self.first_day + timedelta(days=DAYS - 1)

    @property
    def slots(self) -> list[OfferedSlot]:
        return self.schedule.slots_between(self.service, self.first_day, self.last_day)

    @property
    def address(self) -> tuple[str, int]:
        return self.settings.host, self.settings.port

    def hold_calls(self, count: int, *, a_network: int = 1) -> list[Call]:
        """Holds of one seat each, by different visitors, so many of each network, all over the month."""
        slots, networks = self.slots, [new_id() for _ in range(0, count, a_network)]
        return [self.hold_call(slots[n % len(slots)], networks[n // a_network]) for n in range(count)]

    def hold_call(self, offered: OfferedSlot, network: str | None = None) -> Call:
        return calls.hold(self.terms, [self.wanted(offered, network)])

    @property
    def terms(self) -> Terms:
        return calls.terms(
            self.site,
            schedule_version=self.schedule.version,
            limit_lengths=LIMIT_LENGTHS,
            visitor_max=HOLDS_PER_VISITOR_MAX,
            network_max=HOLDS_PER_NETWORK_MAX,
        )

    def wanted(self, offered: OfferedSlot, network: str | None = None) -> Wanted:
        """A seat of this slot, for somebody who wants nothing else."""
        return calls.wanted(
            self.site,
            [Line(offered.slot, 1)],
            [offered],
            id=new_id(),
            secret_hash=hash_secret(new_id()),
            visitor=new_id(),
            network=network or new_id(),
        )

    def held_seats(self) -> int:
        """Of the whole month, as Redis counts them."""
        line = self.line()
        of_site = keys.of_site(self.site.partition, SITE)
        days = (self.first_day + timedelta(days=n) for n in range(DAYS))
        counted = [line.ask("HVALS", of_site.day(SERVICE, day)) for day in days]
        line.close()
        return sum(int(seats.partition(":")[0]) for day in counted for seats in day)

    def line(self) -> RedisLine:
        return RedisLine(self.redis_path)

    @contextmanager
    def serving(self) -> Iterator[subprocess.Popen[str]]:
        with self._running("serve", "Serving") as process:
            yield process

    @contextmanager
    def working(self) -> Iterator["Studio"]:
        """With a worker; Redis and SQL agree, so it fills nothing anew."""
        with self._running("worker", "Working"):
            yield self

    @contextmanager
    def _running(self, command: str, says: str) -> Iterator[subprocess.Popen[str]]:
        with started(
            ["-m", "widget_server", command],
            says=says,
            TENUTO_DATA_DIR=str(self.settings.data_dir),
            TENUTO_HOST=self.settings.host,
            TENUTO_PORT=str(self.settings.port),
            TENUTO_TRUSTED_PROXIES="127.0.0.0/8",
        ) as process:
            yield process


@contextmanager
def opened(folder: Path, *, staffed: bool = False) -> Iterator[Studio]:
    """A studio of its own, with a Valkey of its own that is run as `tenuto` runs it, and every script loaded.

    Its month has half hours day and night; staffed, quarters of an hour, each with all who have a shift.
    """
    settings = Settings(redis_url=None, database_url=None, data_dir=folder, host="127.0.0.1", port=free_port())
    redis = start_or_attach(folder)
    try:
        site, schedule = asyncio.run(
            _founded(settings, redis.url, _open_with_staff if staffed else _open_day_and_night)
        )
        studio = Studio(settings, redis.url, site, schedule, STAFFED if staffed else SERVICE)
        expected = STAFFED_SLOTS if staffed else SLOTS
        trust(len(studio.slots) == expected, f"The month has {len(studio.slots)} slots, not {expected}.")
        line = studio.line()
        for script in load_all():
            line.ask("SCRIPT", "LOAD", script.text)
        line.close()
        yield studio
    finally:
        redis.stop()


@contextmanager
def started(arguments: list[str], *, says: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process of ours, once it has said that it is ready; it ends with the block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TENUTO_")}
    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=_ROOT,
        env=kept | environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            trust(process.stdout.readline().startswith(says), f"{' '.join(arguments)} did not start.")
            yield process
        finally:
            process.terminate()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


async def _founded(settings: Settings, redis_url: str, furnish: _Furnish) -> tuple[Site, Schedule]:
    async with assembled(settings, redis_url) as parts:
        await parts.database.migrate()
        site = await parts.use_cases.sites.create(key=SITE, name="Studio", zone="UTC", currency="EUR")
        await parts.use_cases.reconciliation.ensure_loaded(SITE)
        await furnish(parts, site)
        listing = await parts.use_cases.catalog.find(SITE)
        return listing.site, listing.schedule


async def _open_day_and_night(parts: Parts, site: Site) -> None:
    service = Service(
        key=SERVICE,
        name="A desk for half an hour",
        kind=ServiceKind.CLASS,
        place=Place.IN_PERSON,
        description="",
        length_min=30,
        capacity=_ROOM_FOR_ALL,
        seats_per_booking_max=1,
        price=Money(0, site.currency),
        access="",
    )
    openings = [Opening(SERVICE, _MIDNIGHT, _MIDNIGHT, weekday=weekday) for weekday in range(7)]

    async def write(session: AsyncSession) -> None:
        await put_settings(session, replace(site, hold_minutes=HOLD_MINUTES))
        await put_service(session, site.id, service, at=datetime.now(UTC))
        await put_openings(session, site.id, SERVICE, openings)

    await parts.use_cases.scheduling.change(site, write)
    parts.use_cases.catalog.forget(SITE)


async def _open_with_staff(parts: Parts, site: Site) -> None:
    """Forty people, each with a shift of their own for each day of a year, and every seat theirs to serve."""
    service = Service(
        key=STAFFED,
        name="A quarter of an hour in the chair",
        kind=ServiceKind.CONSULTATION,
        place=Place.IN_PERSON,
        description="",
        length_min=15,
        capacity=1,
        capacity_rule=CapacityRule.BY_SHIFT,
        seats_per_booking_max=1,
        price=Money(0, site.currency),
        access="",
    )
    openings = [Opening(STAFFED, _EIGHT, _SIX_PM, weekday=weekday) for weekday in range(7)]
    members = [StaffMember(f"member-{n}", f"Member {n}", services=frozenset({STAFFED})) for n in range(STAFF)]
    days = [datetime.now(UTC).date() + timedelta(days=n) for n in range(SHIFT_DAYS)]

    async def write(session: AsyncSession) -> None:
        await put_settings(session, replace(site, hold_minutes=HOLD_MINUTES))
        await put_service(session, site.id, service, at=datetime.now(UTC))
        await put_openings(session, site.id, STAFFED, openings)
        for member in members:
            await put_member(session, site.id, member)
            await put_shifts(
                session, site.id, member.key, [Shift(member.key, _EIGHT, _SIX_PM, day=day) for day in days]
            )

    await parts.use_cases.scheduling.change(site, write)
    parts.use_cases.catalog.forget(SITE)
