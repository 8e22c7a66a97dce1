"""Keeping Redis and SQL together: what the worker does, and what whoever meets an empty Redis does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.engine.servers import Valkey
from tests.house import SITE, House, opened, refused, slot
from tests.store.studio import TALK
from widget_server.domain.bookings import BookedSeats, SeatCount
from widget_server.domain.holds import Line
from widget_server.engine import keys
from widget_server.engine.inspection import Inspection
from widget_server.engine.reservations import SWEEP_MAX, Reservations
from widget_server.errors import Loading, NotFound
from widget_server.store.audit import Audits
from widget_server.store.bookings import Bookings
from widget_server.store.outbox import Outbox
from widget_server.store.sites import Sites
from widget_server.use_cases import rebuilding
from widget_server.use_cases.rebuilding import TAKEOVER_AFTER
from widget_server.use_cases.reconciliation import Reconciliation

pytestmark = pytest.mark.anyio

PATIENCE_S = 10.0
A_SECOND = timedelta(seconds=1)


@pytest.fixture
async def another(house: House, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[House]:
    """A second process on the same Redis and SQL."""
    async with opened(house.redis_url, sqlite_template, tmp_path) as another:
        yield another


@asynccontextmanager
async def working(house: House) -> AsyncIterator[None]:
    """While a worker runs that has looked at everything once, as it does when it starts."""
    before = await Audits(house.parts.database).last_rounds()

    async def has_looked() -> bool:
        return await Audits(house.parts.database).last_rounds() != before

    worker = asyncio.create_task(reconciliation(house).run("tenuto"))
    try:
        await eventually(has_looked)
        yield
    finally:
        worker.cancel()
        await asyncio.wait([worker])


def reconciliation(house: House) -> Reconciliation:
    return house.parts.use_cases.reconciliation


async def open_epoch(house: House) -> int | None:
    """In which Redis knows the site, if it does."""
    (epoch,) = await Inspection(house.redis).epochs([await house.site()])
    return epoch


async def booked_and_held(house: House) -> tuple[int, int]:
    seats = await house.seats()
    return seats.booked, seats.held


async def until(house: House, booked: int, held: int) -> float:
    """How many seconds it took until Redis counts so many."""

    async def counts() -> bool:
        with suppress(Loading):
            return await booked_and_held(house) == (booked, held)
        return False

    began_at_s = monotonic()
    await eventually(counts)
    return monotonic() - began_at_s


async def eventually(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await is_so():
                return
            await asyncio.sleep(0.01)


async def has_logged(logs: Sequence[MutableMapping[str, Any]], event: str) -> bool:
    return any(log["event"] == event for log in logs)


async def test_an_empty_redis_is_filled_by_whoever_asks_first(house: House) -> None:
    anna, ben = house.guest(), house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()
    await ben.hold((slot(), 3))
    epoch = (await house.site()).epoch
    await house.flush()

    assert (await house.guest().hold()).status_code == 201
    assert await booked_and_held(house) == (2, 1)
    assert (await house.site()).epoch == epoch + 1
    assert (await anna.order()).json()["order"]["state"] == "paid"


async def test_a_hold_that_redis_has_lost_is_told_clearly_and_can_be_taken_again(house: House) -> None:
    ben = house.guest()
    await ben.hold((slot(), 3))
    await house.flush()

    for answer in (await ben.look(), await ben.renew(), await ben.release(), await ben.confirm("Ben Oak")):
        refused(answer, 404, "not_found")
    assert (await ben.hold((slot(), 3))).status_code == 201
    assert (await ben.confirm("Ben Oak")).status_code == 201


async def test_a_worker_fills_an_empty_redis_before_anybody_asks(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()

    async with working(house):
        await house.flush()
        await until(house, booked=2, held=0)


async def test_of_two_processes_that_fill_at_once_one_opens_the_gate(house: House, another: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()

    for _ in range(5):
        await house.flush()
        await asyncio.gather(
            *(reconciliation(process).ensure_loaded(SITE) for process in (house, another)), return_exceptions=True
        )
        await reconciliation(another).ensure_loaded(SITE)
        reading = await house.engine.seats_of_days(await house.site(), "yoga", [slot().starts_at.date()])
        assert reading.epoch == (await house.site()).epoch
        assert reading.seats[slot().id].booked == 2


class Raced(Sites):
    """Another process raises the epoch just before this one does."""

    async def raise_epoch(self, site_id: int, *, above: int = 0, at: datetime | None = None) -> int:
        await super().raise_epoch(site_id)
        return await super().raise_epoch(site_id, above=above, at=at)


async def test_whoever_fills_is_in_the_epoch_that_sql_has_in_the_end(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation(house).rebuilding, "_sites", Raced(house.parts.database))
    await reconciliation(house).fill(SITE)

    reading = await house.engine.seats_of_days(await house.site(), "yoga", [])
    assert reading.epoch == (await house.site()).epoch


async def test_filling_a_living_redis_mends_seats_and_ends_no_hold(house: House) -> None:
    anna, ben = house.guest(), house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()
    await ben.hold((slot(), 3))
    await house.rewind(slot())
    assert await booked_and_held(house) == (0, 3)

    assert await reconciliation(house).fill(SITE) == 1
    assert await booked_and_held(house) == (2, 3)
    assert (await ben.look()).json()["hold"]["state"] == "held"
    assert (await ben.confirm("Ben Oak")).status_code == 201


async def test_seats_that_an_older_sql_knows_nothing_of_are_free_again(house: House) -> None:
    """Nobody has a record of them, and the first booking that SQL then takes must be newer to Redis."""
    ben = house.guest()
    await ben.hold()
    await house.engine.set_booked(await house.site(), [BookedSeats(slot(), 3, 7)])
    assert await booked_and_held(house) == (3, 1)

    await reconciliation(house).fill(SITE)
    assert await booked_and_held(house) == (0, 1)
    assert (await ben.confirm("Ben Oak")).status_code == 201
    assert await booked_and_held(house) == (1, 0)


async def test_holds_of_slots_that_nobody_booked_are_counted_anew(house: House) -> None:
    await house.guest().hold((slot(), 2))
    day_key, _ = keys.of_site("tenuto", SITE).seats(slot().id)
    await house.redis.read(("HSET", day_key, slot().id.partition("T")[2], "4:0:1:0:"))

    await reconciliation(house).fill(SITE)
    assert await booked_and_held(house) == (0, 2)


async def test_while_one_process_fills_another_says_so_and_takes_over_when_it_has_died(house: House) -> None:
    site = await house.site()
    await house.engine.rebuild(site, site.epoch + 1, "somebody", TAKEOVER_AFTER)

    answer = await house.guest().hold()
    refused(answer, 503, "loading")
    assert answer.headers["retry-after"] == "1"
    await house.advance(TAKEOVER_AFTER + A_SECOND)
    assert (await house.guest().hold()).status_code == 201


async def test_a_filling_that_takes_long_is_not_taken_over_while_it_lives(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "TAKEN_AGAIN_AFTER_S", 0)
    booked_of = Bookings.booked_of

    async def slowly(*args: Any) -> AsyncIterator[list[SeatCount]]:
        for _ in range(3):
            async for chunk in booked_of(*args):
                yield chunk
            await house.advance(TAKEOVER_AFTER - A_SECOND)

    monkeypatch.setattr(Bookings, "booked_of", slowly)
    anna = house.guest()
    await anna.hold()
    await anna.confirm()

    await reconciliation(house).fill(SITE)
    site = await house.site()
    gate = keys.of_site("tenuto", SITE).gate
    (until_ms,) = await house.redis.read(("HGET", gate, "until_ms"))
    assert int(until_ms) - await Inspection(house.redis).now_ms("tenuto") > 0
    assert await open_epoch(house) == site.epoch


async def test_an_older_sql_counts_its_epochs_on_from_what_redis_has_seen(house: House) -> None:
    site = await house.site()
    await house.engine.rebuild(replace(site, epoch=7), 7, "newer", TAKEOVER_AFTER)
    assert await house.engine.open(replace(site, epoch=7), "newer", site.schedule_version)

    assert (await house.guest().hold()).status_code == 201
    assert (await house.site()).epoch > 7


async def test_an_older_sql_takes_over_from_a_filling_that_died_in_a_later_epoch(house: House) -> None:
    await house.engine.rebuild(await house.site(), 7, "newer", TAKEOVER_AFTER)
    await house.advance(TAKEOVER_AFTER + A_SECOND)

    assert (await house.guest().hold()).status_code == 201
    assert (await house.site()).epoch > 7


async def test_whoever_waits_for_another_to_fill_leaves_its_epoch_alone(house: House) -> None:
    site = await house.site()
    await house.engine.rebuild(site, site.epoch + 1, "somebody", TAKEOVER_AFTER)

    with pytest.raises(Loading):
        await reconciliation(house).ensure_loaded(SITE)
    assert (await house.site()).epoch == site.epoch


async def test_the_worker_ends_a_hold_on_time(house: House) -> None:
    anna = house.guest()
    await anna.hold()

    async with working(house):
        await asyncio.sleep(0.1)
        await house.advance(timedelta(minutes=10) - A_SECOND / 2)
        ben = house.guest()
        await ben.hold((slot(), 2))  # wakes the worker, which sleeps by its own watch
        assert 0.1 < await until(house, booked=0, held=2) < 1.5


async def test_the_worker_gives_up_a_pin_within_seconds(house: House) -> None:
    """Of a process that was killed between its pin and its record."""
    anna = house.guest()
    await anna.hold((slot(), 2))
    async with working(house):
        await house.pin(anna, window=A_SECOND)

        assert await until(house, booked=0, held=0) < 3
    refused(await anna.confirm(), 410, "hold_ended")


async def test_the_worker_tells_what_nobody_told(house: House) -> None:
    """Of a process that was killed between its record and its commit."""
    anna = house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()
    await house.rewind(slot())

    async def nothing_waits() -> bool:
        return await Outbox(house.parts.database).waiting() == 0

    async with working(house):
        await until(house, booked=2, held=0)
        await eventually(nothing_waits)


async def test_two_workers_do_no_harm(house: House, another: House) -> None:
    guests = [house.guest() for _ in range(6)]
    async with working(house), working(another):
        for guest in guests:
            await guest.hold()
        for guest in guests[:3]:
            await house.pin(guest, window=A_SECOND)
        await asyncio.gather(*(guest.confirm() for guest in guests[3:]))
        await until(house, booked=3, held=0)
    assert await house.booked_in_sql() == 3


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


async def test_what_cannot_be_told_is_told_again_after_a_moment_and_never_much_later(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    await anna.confirm()
    site = await house.site()
    await house.engine.rebuild(site, site.epoch + 1, "somebody", TAKEOVER_AFTER)

    waits = []
    for _ in range(3):
        assert await house.deliver() == 1
        due_at = await Outbox(house.parts.database).next_due_at()
        assert due_at is not None
        waits.append(round((due_at - datetime.now(UTC)).total_seconds()))
    assert waits == [1, 2, 2]


async def test_a_pin_of_a_site_that_is_gone_does_not_stop_the_others(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    await house.pin(anna, window=A_SECOND)
    await house.redis.read(("ZADD", keys.of_partition("tenuto").due, 1, "nobody/AAAAAAAAAAAAAAAAAAAAAA"))
    await house.advance(A_SECOND * 2)

    await reconciliation(house).sweep("tenuto")
    assert await booked_and_held(house) == (0, 0)


async def test_a_pin_while_redis_is_being_filled_is_resolved_afterwards(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    await house.pin(anna, window=A_SECOND)
    await house.advance(A_SECOND * 2)
    site = await house.site()
    await house.engine.rebuild(site, site.epoch + 1, "somebody", A_SECOND)
    await reconciliation(house).sweep("tenuto")

    await house.advance(A_SECOND * 10)
    await reconciliation(house).ensure_loaded(SITE)
    await reconciliation(house).sweep("tenuto")
    assert await booked_and_held(house) == (0, 0)


async def test_a_feed_that_lost_its_last_entry_is_a_redis_to_be_counted_anew(house: House) -> None:
    """As after a failover to a replica that was behind."""
    anna = house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()
    async with working(house):
        epoch = (await house.site()).epoch
        await house.rewind(slot())
        await house.redis.read(("DEL", keys.of_partition("tenuto").feed))
        await until(house, booked=2, held=0)
        assert (await house.site()).epoch == epoch + 1


async def test_what_redis_forgot_while_no_worker_ran_is_found_when_one_starts(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()
    await house.rewind(slot())

    async with working(house):
        assert await booked_and_held(house) == (2, 0)


async def test_a_loss_that_cannot_be_mended_at_once_is_not_forgotten(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()
    async with working(house):
        site = await house.site()
        await house.engine.rebuild(site, site.epoch, "somebody", TAKEOVER_AFTER)
        await house.redis.read(("DEL", keys.of_partition("tenuto").feed))
        await asyncio.sleep(A_SECOND.total_seconds() * 1.5)
        assert await house.engine.open(site, "somebody", site.schedule_version)
        await house.rewind(slot())

        await until(house, booked=2, held=0)


async def test_updates_of_a_newer_version_fill_nothing(house: House) -> None:
    feed = keys.of_partition("tenuto").feed
    async with working(house):
        epoch = (await house.site()).epoch
        await house.redis.read(("XADD", feed, "*", "colour", "red"))
        await asyncio.sleep(1.2)
        assert (await house.site()).epoch == epoch


async def test_trouble_that_nobody_foresaw_does_not_end_the_worker(house: House) -> None:
    due = keys.of_partition("tenuto").due
    async with working(house):
        with capture_logs() as logs:
            await house.redis.read(("SET", due, "no set"))
            await eventually(lambda: has_logged(logs, "worker_failed"))
        await house.redis.read(("DEL", due))
        await house.guest().hold()
        await house.advance(timedelta(minutes=11))

        await until(house, booked=0, held=0)


async def test_a_clock_that_was_set_back_is_logged_once(house: House) -> None:
    with capture_logs() as logs:
        async with working(house):
            await house.advance(A_SECOND * 3)
            await eventually(lambda: has_logged(logs, "redis_clock_stepped"))
            await asyncio.sleep(1.2)
    assert [log["offset_s"] for log in logs if log["event"] == "redis_clock_stepped"] == [3]


async def test_more_holds_than_a_sweep_takes_at_once_all_end(house: House) -> None:
    many = SWEEP_MAX * 3 // 2
    site, schedule = await house.site(), (await house.parts.use_cases.catalog.find(SITE)).schedule
    offered = [schedule.find(slot(day=number // 4, number=number % 4)) for number in range(many)]
    for number, one in enumerate(offered):
        assert one is not None
        await house.engine.hold(
            site,
            [Line(one.slot, 1)],
            [one],
            schedule_version=schedule.version,
            id=f"hold{number}",
            secret_hash="secret",
            visitor=str(number),
            network=str(number),
        )
    await house.advance(timedelta(minutes=11))

    assert await reconciliation(house).sweep("tenuto") == many
    assert await reconciliation(house).sweep("tenuto") == 0


async def test_a_site_that_is_not_there_cannot_be_filled(house: House) -> None:
    for fill in (reconciliation(house).ensure_loaded, reconciliation(house).fill):
        with pytest.raises(NotFound, match="There is no such site"):
            await fill("nobody")


async def test_a_restarted_valkey_without_its_file_gets_everything_back(sqlite_template: Path, tmp_path: Path) -> None:
    folder = tmp_path / "v"
    folder.mkdir()
    server = Valkey(folder)
    server.start()
    try:
        async with opened(server.url, sqlite_template, tmp_path) as house:
            anna = house.guest()
            await anna.hold(slot(TALK))
            await anna.confirm()
            server.kill()
            server.start()

            refused(await house.guest().hold(slot(TALK)), 409, "slot_full")
            assert (await anna.order()).status_code == 200
    finally:
        server.stop()
