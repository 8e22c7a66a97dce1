"""What SQL has decided reaches Redis: by whoever did it, else by a worker, within seconds."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col
from structlog.testing import capture_logs

from tests.house import SITE, House, slot
from tests.use_cases.office import MovedClock
from tests.use_cases.working import A_SECOND, WITHIN_S, eventually, reconciliation, until, working
from widget_server.domain.sites import Site
from widget_server.engine import keys
from widget_server.engine.calls import Call
from widget_server.engine.connection import Connection
from widget_server.engine.inspection import Inspection
from widget_server.engine.reservations import Reservations
from widget_server.errors import Fault, Unavailable
from widget_server.store.outbox import Outbox
from widget_server.store.tables import OutboxRow, SiteRow
from widget_server.use_cases import delivery
from widget_server.use_cases.delivery import Delivery
from widget_server.use_cases.restoring import TAKEOVER_AFTER

pytestmark = pytest.mark.anyio


async def test_the_worker_tells_what_nobody_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a process that was killed between its record and its commit."""
    await book_untold(house, monkeypatch, SITE)
    await have_due(house)

    async def nothing_waits() -> bool:
        return await Outbox(house.parts.database).waiting() == 0

    async with working(house):
        await until(house, booked=1, held=0)
        await eventually(nothing_waits)


async def test_what_was_told_at_once_is_not_told_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    anna, ben = house.guest(), house.guest()
    for guest in (anna, ben):
        await guest.hold()
        await guest.confirm()
    await ben.cancel()
    told: list[str] = []

    async def tell(*_: Any, **__: Any) -> None:
        told.append("again")

    for verb in ("commit", "set_booked"):
        monkeypatch.setattr(Reservations, verb, tell)

    assert await house.deliver() == 3
    assert told == []
    assert await Outbox(house.parts.database).waiting() == 0


@pytest.mark.parametrize("is_pinned", [True, False], ids=["a pin left", "seats not told"])
async def test_what_was_not_told_is_told(house: House, is_pinned: bool) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()
    if is_pinned:  # the booked seats are told, but not that the hold has become them
        await house.redis.read(("HSET", keys.of_site("tenuto", SITE).hold(anna.id), "state", "paying"))
        _, lines = keys.of_site("tenuto", SITE).seats(slot().id)
        await house.redis.read(("ZADD", lines, "+inf", f"{anna.id}:2"))
    else:
        await house.rewind(slot())

    assert await house.deliver() == 1
    assert (await house.seats()).booked == 2
    assert (await anna.look()).json()["hold"]["state"] == "confirmed"
    assert await Outbox(house.parts.database).waiting() == 0


async def test_what_a_dead_worker_had_claimed_is_told_by_another_within_seconds(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()
    await house.rewind(slot())
    outbox, at = Outbox(house.parts.database), await have_due(house)
    assert len(await outbox.due(10, at=at)) == 1, "claimed"

    assert await reconciliation(house).deliver() == 0, "whoever has claimed it may still tell it"
    due_at = await outbox.next_due_at()
    assert due_at is not None
    assert A_SECOND < due_at - at < A_SECOND * WITHIN_S
    assert await house.deliver() == 1, "once that time is over"
    assert (await house.seats()).booked == 2


async def test_what_cannot_be_told_is_told_again_after_a_moment_and_never_much_later(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    await anna.confirm()
    site = await house.site()
    await house.engine.rebuild(site, site.epoch + 1, "somebody", TAKEOVER_AFTER)

    for tries, wait in ((0, A_SECOND), (1, 2 * A_SECOND), (10_000, 2 * A_SECOND)):  # the last as after some hours
        async with house.parts.database.transaction() as session:
            await session.exec(update(OutboxRow).values(tries=tries))
        before = datetime.now(UTC)
        assert await house.deliver() == 1
        due_at = await Outbox(house.parts.database).next_due_at()
        assert due_at is not None
        assert before + wait <= due_at <= datetime.now(UTC) + wait, tries


async def have_due(house: House) -> datetime:
    """As if those who should have told it at once had had their head start."""
    at = datetime.now(UTC)
    async with house.parts.database.transaction() as session:
        await session.exec(update(OutboxRow).values(due_at=at))
    return at


FAR = "far"


@contextmanager
def away(monkeypatch: pytest.MonkeyPatch, partition: str) -> Iterator[list[str]]:
    """Its server, as in a Cluster. Whoever asks it gives up after a while; what they asked for is kept."""
    asked: list[str] = []
    of_it = f"{{{partition}}}:"
    read, run = Connection.read, Connection.run

    async def give_up(what: str) -> None:
        asked.append(what)
        await asyncio.sleep(0.05)
        raise Unavailable("Seats cannot be reached; try again in a moment.")

    async def read_there(self: Connection, *commands: Sequence[Any]) -> list[Any]:
        if any(str(word).startswith(of_it) for command in commands for word in command):
            await give_up(str(commands[0][0]))
        return await read(self, *commands)

    async def run_there(self: Connection, call: Call) -> list[Any]:
        if call.keys[0].startswith(of_it):
            await give_up(call.script.name)
        return await run(self, call)

    with monkeypatch.context() as patched:
        patched.setattr(Connection, "read", read_there)
        patched.setattr(Connection, "run", run_there)
        yield asked


async def found_in(house: House, key: str, partition: str) -> None:
    """A site beside the others, on another server of a Cluster."""
    site = await house.found(key)
    async with house.parts.database.transaction() as session:
        await session.exec(update(SiteRow).where(col(SiteRow.id) == site.id).values(partition=partition))
    house.parts.use_cases.catalog.forget(key)
    await reconciliation(house).ensure_loaded(key)


async def book_untold(house: House, monkeypatch: pytest.MonkeyPatch, *sites: str) -> None:
    """By processes that die before they can tell."""

    async def nothing(*_: Any, **__: Any) -> None:
        """It is dead."""

    with monkeypatch.context() as patched:
        patched.setattr(reconciliation(house)._delivery, "tell_booked", nothing)
        for key in sites:
            guest = house.guest(key)
            assert (await guest.hold()).status_code == 201
            assert (await guest.confirm()).status_code == 201


async def booked_of(house: House, key: str) -> int:
    reading = await house.engine.seats_of_days(await house.site(key), slot().service, [slot().starts_at.date()])
    return reading.seats[slot().id].booked


async def test_a_server_that_is_away_keeps_nothing_from_the_sites_of_the_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await found_in(house, "there", FAR)
    await book_untold(house, monkeypatch, *["there"] * 3, SITE)
    with away(monkeypatch, FAR) as asked:
        assert await house.deliver() == 4
        assert await booked_of(house, SITE) == 1
        assert await Outbox(house.parts.database).waiting() == 3

        assert await house.deliver() == 0
        assert asked.count("HMGET") == 1, "for a while it is left alone; only its feed is waited for"

    monkeypatch.setattr(
        reconciliation(house)._delivery, "_clock", MovedClock(datetime.now(UTC) + delivery._BACK_OFF_MAX)
    )
    assert await house.deliver() == 3
    assert await booked_of(house, "there") == 3


async def test_however_much_waits_for_a_server_that_is_away_others_do_not_wait_behind_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "OUTBOX_BATCH", 2)
    await found_in(house, "there", FAR)
    await book_untold(house, monkeypatch, *["there"] * 4, SITE)
    with away(monkeypatch, FAR):
        assert [await house.deliver() for _ in range(3)] == [2, 0, 0]
        assert await booked_of(house, SITE) == 1


async def test_a_server_that_goes_away_while_it_is_told_is_waited_for_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def not_yet(*_: Any) -> list[int]:
        return []

    await found_in(house, "there", FAR)
    await book_untold(house, monkeypatch, *["there"] * 3, SITE)
    monkeypatch.setattr(Delivery, "_told_already", not_yet)
    with away(monkeypatch, FAR) as asked:
        await house.deliver()

    assert asked.count("HMGET") == 1
    assert await booked_of(house, SITE) == 1
    assert await Outbox(house.parts.database).waiting() == 3


@pytest.mark.parametrize("looks", [True, False], ids=["when looked at", "when told"])
async def test_an_event_with_which_something_is_wrong_keeps_nobody_from_being_told(
    house: House, monkeypatch: pytest.MonkeyPatch, looks: bool
) -> None:
    where, what = (Inspection, "holds") if looks else (Reservations, "commit")
    works = getattr(where, what)

    async def fail(self: Any, site: Site, *args: Any, **kwargs: Any) -> Any:
        if site.key == "broken":
            raise Fault("Redis does not take our commands: ERR as nobody foresaw")
        return await works(self, site, *args, **kwargs)

    await house.found("broken")
    await book_untold(house, monkeypatch, "broken", SITE)
    monkeypatch.setattr(where, what, fail)
    with capture_logs() as logs:
        assert await house.deliver() == 2

    assert await booked_of(house, SITE) == 1
    assert [log["site"] for log in logs if log["event"] == "worker_failed"] == ["broken"]
    assert await Outbox(house.parts.database).waiting() == (0 if looks else 1), "it is told again, or for once told"


async def test_a_partition_with_which_something_is_wrong_keeps_no_other_from_being_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = Inspection.epochs

    async def fail(self: Inspection, sites: Sequence[Site]) -> list[int | None]:
        if any(site.partition == FAR for site in sites):
            raise Fault("Redis does not take our commands: WRONGTYPE")
        return await works(self, sites)

    await found_in(house, "there", FAR)
    await book_untold(house, monkeypatch, "there", SITE)
    monkeypatch.setattr(Inspection, "epochs", fail)
    with capture_logs() as logs:
        assert await house.deliver() == 2

    assert await booked_of(house, SITE) == 1
    assert [log["partition"] for log in logs if log["event"] == "worker_failed"] == [FAR]
