"""What operators work with, on a SQLite file of its own: use cases with a real store, a small gate, a clock to move."""

import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST

from widget_server.domain.sites import Site
from widget_server.errors import Unavailable
from widget_server.store.database import Database
from widget_server.store.memberships import Memberships
from widget_server.store.operators import Operators
from widget_server.store.schedule import Schedules
from widget_server.store.sites import Sites as StoredSites
from widget_server.use_cases.passwords import Passwords
from widget_server.use_cases.people import People
from widget_server.use_cases.scheduling import Scheduling
from widget_server.use_cases.sites import Sites

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
ANNA, PASSWORD, NETWORK = "anna@example.org", "seven quiet herons", "192.0.2.0/24"


@dataclass
class MovedClock:
    at: datetime = NOW

    def now(self) -> datetime:
        return self.at

    def advance(self, by: timedelta) -> None:
        self.at += by


@dataclass
class SmallGate:
    """The gate of one site, without Redis."""

    schedule: int = 1
    settled: list[int] = field(default_factory=list)
    is_gone: bool = False

    async def raise_schedule(self, site: Site, to: int) -> bool:
        if self.is_gone:
            raise Unavailable("Redis is not there.")
        if self.schedule >= to:
            return False
        self.schedule = to
        return True

    async def settle(self, site: Site, version: int) -> None:
        if self.is_gone:
            raise Unavailable("Redis is not there.")
        self.settled.append(version)


@dataclass(frozen=True)
class Office:
    database: Database
    stored: StoredSites
    operators: Operators
    schedules: Schedules
    gate: SmallGate
    clock: MovedClock
    scheduling: Scheduling
    sites: Sites
    people: People

    async def found(self, key: str) -> Site:
        return await self.sites.create(key=key, name="The studio", zone="Europe/Berlin", currency="EUR")

    async def again(self, site: Site) -> Site:
        """The site as it is in SQL now."""
        found = await self.stored.by_key(site.key)
        assert found is not None
        return found

    async def hire(self, site: Site, email: str = ANNA) -> str:
        """An operator of the site, signed in: the secret of the session."""
        return await self.sites.set_up(await self.sites.first_run_token(site), email, PASSWORD, network=NETWORK)


def open_office(folder: Path, template: Path) -> Office:
    """`template` is a SQLite file with all tables."""
    shutil.copy(template, folder / "tenuto.sqlite3")
    database = Database(None, folder)
    stored, operators, schedules = StoredSites(database), Operators(database), Schedules(database)
    gate, clock = SmallGate(), MovedClock()
    passwords = Passwords(PasswordHasher.from_parameters(CHEAPEST))
    scheduling = Scheduling(gate=gate, sites=stored, schedules=schedules)
    sites = Sites(
        sites=stored,
        operators=operators,
        schedules=schedules,
        scheduling=scheduling,
        clock=clock,
        passwords=passwords,
    )
    people = People(
        memberships=Memberships(database), operators=operators, sites=sites, clock=clock, passwords=passwords
    )
    return Office(database, stored, operators, schedules, gate, clock, scheduling, sites, people)
