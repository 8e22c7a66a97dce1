"""A whole server in this process, on a real Valkey and a SQLite file: for the API, the use cases and stories."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from httpx2 import ASGITransport, AsyncClient
from httpx2 import Response as Answer
from sqlalchemy import update
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.domain.schedules import daily
from tests.store.studio import TALK, YOGA
from widget_server.bootstrap import Parts, application, assembled
from widget_server.domain.money import Money
from widget_server.domain.schedule import Service
from widget_server.domain.sites import Site
from widget_server.domain.slots import Seats, Slot
from widget_server.engine import keys
from widget_server.engine.connection import Connection, connect
from widget_server.engine.reservations import Pin, Reservations
from widget_server.ids import hash_secret, new_id
from widget_server.settings import Settings
from widget_server.store.bookings import Bookings
from widget_server.store.schedule import put_openings, put_service, put_settings
from widget_server.store.tables import OutboxRow
from widget_server.use_cases.bookings import CONFIRMING_WINDOW

URL = "http://localhost:8000"
SITE = "studio"
PRIVATE = replace(YOGA, key="private", name="Private lesson", price=Money(4500, "EUR"))
SERVICES = (YOGA, TALK, PRIVATE)
ORIGIN = "https://www.studio.example"
_FIRST_DAY = datetime.now(UTC).date() + timedelta(days=2)


def slot(service: Service = YOGA, *, day: int = 0, number: int = 0) -> Slot:
    """A slot from the day after tomorrow on, so that no test depends on what time it is."""
    starts_at = datetime.combine(_FIRST_DAY + timedelta(days=day), time(8), UTC)
    starts_at += timedelta(minutes=service.length_min * number)
    return Slot(service.key, starts_at, starts_at + timedelta(minutes=service.length_min))


@dataclass
class House:
    """One process with all its parts, a client that speaks to it, and a line of the test's own to Redis."""

    parts: Parts
    app: ASGIApp
    client: AsyncClient
    redis: Connection
    redis_url: str

    @property
    def engine(self) -> Reservations:
        return Reservations(self.redis)

    @property
    def store(self) -> Bookings:
        return Bookings(self.parts.database)

    async def site(self, key: str = SITE) -> Site:
        """As it is in SQL now."""
        found = await self.parts.sites.by_key(key)
        assert found is not None
        return found

    async def found(self, key: str) -> Site:
        """A new site with yoga, talks and private lessons each day, loaded into Redis. Its clocks show UTC."""
        await self.parts.use_cases.sites.create(key=key, name="The studio", zone="UTC", currency="EUR")
        await self.parts.use_cases.reconciliation.ensure_loaded(key)

        async def write(session: AsyncSession) -> None:
            await put_settings(session, replace(site, origins=(ORIGIN,)))
            for service in SERVICES:
                await put_service(session, site.id, service, at=datetime.now(UTC))
                await put_openings(session, site.id, service.key, daily(service.key, time(8), time(12)))

        site = await self.site(key)
        await self.change(write, key)
        return await self.site(key)

    async def change(self, write: Callable[[AsyncSession], Awaitable[None]], key: str = SITE) -> None:
        """As operators do. What the process keeps in memory is forgotten, as the feed would have told it to."""
        await self.parts.use_cases.scheduling.change(await self.site(key), write)
        self.parts.use_cases.catalog.forget(key)

    async def change_settings(self, **settings: Any) -> None:
        site = await self.site()
        await self.change(lambda session: put_settings(session, replace(site, **settings)))

    async def change_service(self, service: Service) -> None:
        site = await self.site()
        await self.change(lambda session: put_service(session, site.id, service, at=datetime.now(UTC)))

    async def advance(self, by: timedelta) -> None:
        """Move Redis's clock, by which all deadlines are kept; the machine's stays."""
        await self.redis.read(("HINCRBY", "{tenuto}:clock", "offset", by // timedelta(milliseconds=1)))

    async def flush(self) -> None:
        await self.redis.read(("FLUSHALL",))

    async def remember(self) -> None:
        """What Redis can be set back to by `go_back`."""
        (found,) = await self.redis.read(("KEYS", "*"))
        await self.redis.read(*(("COPY", key, key, "DB", 1, "REPLACE") for key in found))

    async def go_back(self) -> None:
        """Redis has lost whatever came after `remember`, as with an older file, or a replica that had not heard."""
        await self.redis.read(("SWAPDB", 0, 1))

    async def seats(self, of: Slot | None = None) -> Seats:
        """As Redis counts them."""
        of = of or slot()
        reading = await self.engine.seats_of_days(await self.site(), of.service, [of.starts_at.date()])
        return reading.seats.get(of.id, Seats())

    async def pin(self, guest: "Guest", *, attempt: str = "free", window: timedelta = CONFIRMING_WINDOW) -> Pin:
        """The first half of a confirmation, as by a process that dies then, unless the attempt is another one."""
        listing = await self.parts.use_cases.catalog.find(guest.site)
        return await self.engine.pin(
            await self.site(guest.site),
            guest.id,
            hash_secret(guest.secret),
            listing.schedule.find,
            schedule_version=listing.schedule.version,
            attempt=attempt,
            window=window,
        )

    async def rewind(self, of: Slot) -> None:
        """Redis knows of no booking of this slot any more, as after an older file was put back."""
        day_key, _ = keys.of_site("tenuto", SITE).seats(of.id)
        field = of.id.partition("T")[2]
        (counted,) = await self.redis.read(("HGET", day_key, field))
        held, _, version, _, *frees_ms = counted.split(":")
        await self.redis.read(("HSET", day_key, field, ":".join([held, "0", version, "0", *frees_ms])))

    async def booked_in_sql(self, of: Slot | None = None) -> int:
        return sum(seats.booked for seats in await self.store.booked_in((await self.site()).id, [of or slot()]))

    async def deliver(self) -> int:
        """What a worker tells Redis, once those who should have told it at once had their head start."""
        async with self.parts.database.transaction() as session:
            await session.exec(update(OutboxRow).values(due_at=datetime.now(UTC)))
        return await self.parts.use_cases.reconciliation.deliver()

    async def until_changed(self, path: str, etag: str) -> Answer:
        """The answer once it is another: the process hears of changes by the feed."""
        async with asyncio.timeout(60):
            while True:
                answer = await self.client.get(path)
                if answer.headers["etag"] != etag:
                    return answer
                await asyncio.sleep(0.01)

    async def eventually(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while True:
                if is_so():
                    return
                await asyncio.sleep(0.01)

    def guest(self, site: str = SITE) -> "Guest":
        return Guest(self.client, site)


@dataclass
class Guest:
    """Somebody with the widget open, who knows their ids and secrets."""

    client: AsyncClient
    site: str = SITE
    id: str = field(default_factory=new_id)
    secret: str = field(default_factory=new_id)
    visitor: str = field(default_factory=new_id)
    order_secret: str = field(default_factory=new_id)
    """Until there is an order, one that opens nothing."""

    async def hold(self, *lines: tuple[Slot, int] | Slot, **changes: Any) -> Answer:
        """One seat of the first yoga class, unless told otherwise."""
        return await self.send("POST", "/holds", {**self.wanted_hold(*lines), **changes})

    async def look(self) -> Answer:
        return await self.send("GET", f"/holds/{self.id}")

    async def renew(self, version: Any = 1, **changes: Any) -> Answer:
        return await self.send("PATCH", f"/holds/{self.id}", {"version": version, "renew": True, **changes})

    async def change(self, *lines: tuple[Slot, int] | Slot, version: Any = 1, **changes: Any) -> Answer:
        wanted = self.wanted_hold(*lines)["lines"]
        return await self.send("PATCH", f"/holds/{self.id}", {"version": version, "lines": wanted, **changes})

    async def release(self) -> Answer:
        return await self.send("DELETE", f"/holds/{self.id}")

    async def confirm(self, name: str = "Anna Berg", **changes: Any) -> Answer:
        answer = await self.send("POST", f"/holds/{self.id}/confirmation", {"customer": {"name": name}, **changes})
        if answer.status_code == 201:
            self.order_secret = answer.json()["order_secret"]
        return answer

    async def confirm_at_once(self, *lines: tuple[Slot, int] | Slot, **changes: Any) -> Answer:
        """As the widget does where holds are off."""
        wanted = {name: value for name, value in self.wanted_hold(*lines).items() if name != "id"}
        return await self.confirm(**{**wanted, **changes})

    async def order(self) -> Answer:
        return await self.send("GET", f"/orders/{self.id}", secret=self.order_secret)

    async def cancel(self) -> Answer:
        return await self.send("POST", f"/orders/{self.id}/cancellation", secret=self.order_secret)

    async def reschedule(self, *lines: tuple[Slot, int] | Slot, id: str | None = None, **changes: Any) -> Answer:
        """Under a new id, unless told otherwise."""
        body = {"id": id or new_id(), "lines": self.wanted_hold(*lines)["lines"], **changes}
        return await self.send("POST", f"/orders/{self.id}/reschedule", body, secret=self.order_secret)

    def wanted_hold(self, *lines: tuple[Slot, int] | Slot) -> dict[str, Any]:
        pairs = [(line, 1) if isinstance(line, Slot) else line for line in lines or (slot(),)]
        wanted = [{"slot": of.id, "seats": seats} for of, seats in pairs]
        return {"id": self.id, "visitor": self.visitor, "lines": wanted}

    async def send(self, method: str, path: str, body: Any = None, *, secret: str | None = None) -> Answer:
        """`body` is JSON, or text or bytes that are sent as they are."""
        content = body if body is None or isinstance(body, str | bytes) else json.dumps(body)
        headers = {"authorization": f"Bearer {secret or self.secret}"}
        return await self.client.request(method, f"/v1/sites/{self.site}{path}", content=content, headers=headers)


@asynccontextmanager
async def opened(redis_url: str, template: Path, folder: Path, **settings: Any) -> AsyncIterator[House]:
    """A house with the site `studio` in it. `template` is a SQLite file with all tables."""
    file, founded = folder / "tenuto.sqlite3", template.with_name(f"founded-{urlsplit(redis_url).scheme}.sqlite3")
    is_new = not file.exists()
    if is_new:
        shutil.copy(founded if founded.exists() else template, file)
    async with AsyncExitStack() as at_the_end:
        redis = await connect(redis_url)
        at_the_end.push_async_callback(redis.close)
        all_settings = Settings(data_dir=folder, redis_url=redis_url, public_url=URL, **settings)
        parts = await at_the_end.enter_async_context(assembled(all_settings, redis_url))
        app = application(parts)
        state = await at_the_end.enter_async_context(app.router.lifespan_context(app))
        stateful = with_state(app, dict(state or {}))
        transport = ASGITransport(app=stateful, raise_app_exceptions=False)
        client = await at_the_end.enter_async_context(AsyncClient(transport=transport, base_url=URL))
        house = House(parts, stateful, client, redis, redis_url)
        if await parts.sites.by_key(SITE) is None:
            await house.found(SITE)
            _copy(file, founded)
        elif is_new:
            await parts.use_cases.reconciliation.ensure_loaded(SITE)
        yield house


def _copy(file: Path, to: Path) -> None:
    """With what SQLite has not written into the file itself yet. The next house begins with it, which saves time."""
    with closing(sqlite3.connect(file)) as open_file, closing(sqlite3.connect(to)) as copy:
        open_file.backup(copy)


def with_state(app: ASGIApp, state: dict[str, Any]) -> ASGIApp:
    """In place of a lifespan, which the client's transport does not run."""

    async def stateful(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = dict(state)
        await app(scope, receive, send)

    return stateful


def refused(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The details of a refusal, in the one shape that every error below /v1 has."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"]
    details: dict[str, Any] = answer.json()["error"]
    assert details.pop("code") == code, answer.text
    assert details.pop("message"), answer.text
    return details
