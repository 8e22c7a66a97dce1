from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.engine.box import HOLD_LENGTH, LATE_YOGA, MASSAGE, YOGA, Box, Recorded
from tests.engine.servers import Valkey
from widget_server.domain.bookings import BookedSeats, SeatCount
from widget_server.domain.events import SiteReset
from widget_server.domain.holds import HoldState, Line
from widget_server.domain.slots import Seats
from widget_server.engine.inspection import Inspection
from widget_server.engine.wire import Address
from widget_server.errors import Loading, StaleSchedule

pytestmark = pytest.mark.anyio

TAKEOVER = timedelta(seconds=30)


async def test_a_wiped_redis_is_filled_from_what_is_booked(box: Box) -> None:
    await box.hold("anna", Line(YOGA, 2))
    await box.connection.read(("FLUSHALL",))
    with pytest.raises(Loading):
        await box.hold("ben")
    box.site = replace(box.site, epoch=2)

    await box.fill([BookedSeats(YOGA, 3, 5), BookedSeats(MASSAGE, 1, 2)])

    assert (await box.seats(YOGA)).booked == 3
    assert (await box.seats(MASSAGE)).booked == 1
    (told,) = await box.feed.tail("tenuto", 1)
    assert told == SiteReset("studio", told.feed_id, 2)
    assert (await box.hold("ben")).state is HoldState.HELD


async def test_nothing_is_held_while_a_site_is_being_filled(box: Box) -> None:
    await box.engine.rebuild(box.site, 1, "second", TAKEOVER)

    with pytest.raises(Loading):
        await box.hold("anna")
    with pytest.raises(Loading):
        await box.engine.set_booked(box.site, [BookedSeats(YOGA, 1, 1)])
    assert await box.engine.open(box.site, "second", 1)
    assert (await box.hold("anna")).state is HoldState.HELD


async def test_whoever_works_from_an_older_epoch_is_refused(box: Box) -> None:
    newer = Box(box.connection, replace(box.site, epoch=2))
    await newer.fill()

    with pytest.raises(Loading):
        await box.hold("anna")
    assert (await newer.hold("ben")).state is HoldState.HELD


async def test_one_fills_at_a_time_and_another_takes_over_in_the_end(box: Box) -> None:
    assert await box.engine.rebuild(box.site, 2, "anna", TAKEOVER) is None
    busy = await box.engine.rebuild(box.site, 2, "ben", TAKEOVER)
    assert busy is not None
    assert busy.epoch == 2
    assert timedelta(seconds=29) < busy.until - await box.now() <= TAKEOVER

    await box.advance(TAKEOVER)

    assert await box.engine.rebuild(box.site, 2, "ben", TAKEOVER) is None
    assert not await box.engine.restore(box.site, "anna", [SeatCount(YOGA.id, 9, 9)])
    assert not await box.engine.open(box.site, "anna", 1)
    assert await box.engine.restore(box.site, "ben", [SeatCount(YOGA.id, 1, 1)])
    assert await box.engine.open(box.site, "ben", 1)


async def test_an_epoch_that_is_over_is_not_filled(box: Box) -> None:
    await Box(box.connection, replace(box.site, epoch=3)).fill()

    busy = await box.engine.rebuild(box.site, 2, "late", TAKEOVER)
    assert busy is not None
    assert busy.epoch == 3


async def test_on_a_living_redis_holds_go_on_and_counts_are_mended(box: Box) -> None:
    await box.hold("anna", Line(YOGA, 2), LATE_YOGA)
    await box.hold("ben", YOGA)
    await box.pin("ben")
    day = f"{{tenuto}}:studio:day:yoga:{YOGA.starts_at:%Y%m%d}"
    await box.connection.read(("HSET", day, "0930Z.60", "9:9:9:9:"))

    await box.fill([BookedSeats(YOGA, 1, 4)])

    seats = await box.seats()
    assert (seats.held, seats.booked) == (3, 1)
    assert (await box.find("anna")).state is HoldState.HELD
    assert (await box.find("ben")).state is HoldState.PAYING
    await box.advance(HOLD_LENGTH)
    assert (await box.sweep()).ended == 1
    assert (await box.seats()).held == 1


async def test_slots_of_the_same_day_are_filled_together_and_their_hash_ends(box: Box) -> None:
    await box.hold("anna", Line(LATE_YOGA, 2))
    await box.hold("ben", Line(MASSAGE, 1))
    await box.pin("ben")
    before = await box.seats(LATE_YOGA)
    (lines,) = await box.connection.read(("KEYS", "*:day:massage:*"))
    await box.connection.read(("DEL", *lines))

    await box.fill([BookedSeats(YOGA, 3, 5), BookedSeats(LATE_YOGA, 1, 2), BookedSeats(MASSAGE, 2, 7)])

    assert await box.seats(YOGA) == Seats(0, 3, 1, None)
    assert await box.seats(LATE_YOGA) == Seats(2, 1, before.version + 1, before.frees_at)
    assert await box.seats(MASSAGE) == Seats(1, 2, 1, None)
    (ends_s,) = await box.connection.read(("EXPIRETIME", lines[0]))
    midnight = MASSAGE.starts_at.replace(hour=0, minute=0)
    assert datetime.fromtimestamp(ends_s, UTC) == midnight + timedelta(days=8)


async def test_many_slots_are_filled_in_chunks(box: Box) -> None:
    slots = [replace(YOGA, service=f"service-{number}") for number in range(250)]

    await box.fill([BookedSeats(slot, 1, 1) for slot in slots])

    assert (await box.seats(slots[0])).booked == 1
    assert (await box.seats(slots[-1])).booked == 1


async def test_all_slots_that_redis_counts_can_be_found_and_none_of_another_site(box: Box) -> None:
    await box.hold("anna", YOGA, LATE_YOGA)
    await box.engine.set_booked(box.site, [BookedSeats(MASSAGE, 1, 1)])
    other = Box(box.connection, replace(box.site, key="studio-two"))
    await other.fill()
    await other.hold("ben")

    inspection = Inspection(box.connection)
    days = await inspection.days("tenuto")

    assert set(await inspection.slots_of_days(box.site, days["studio"])) == {YOGA, LATE_YOGA, MASSAGE}
    assert set(await inspection.slots_of_days(other.site, days["studio-two"])) == {YOGA}


async def test_the_epochs_of_many_sites_are_asked_in_one_go(box: Box) -> None:
    other, wiped = replace(box.site, key="other", epoch=3), replace(box.site, key="wiped")
    await Box(box.connection, other).fill()
    closed = replace(box.site, key="closed")
    await box.engine.rebuild(closed, 1, "somebody", TAKEOVER)

    assert await Inspection(box.connection).epochs([box.site, other, wiped, closed]) == [1, 3, None, None]
    assert await Inspection(box.connection).epochs([]) == []


async def test_the_gate_keeps_the_later_schedule(box: Box) -> None:
    await box.engine.raise_schedule(box.site, 5)

    await box.fill()

    with pytest.raises(StaleSchedule):
        await box.hold("anna", schedule_version=4)


async def test_a_killed_redis_comes_back_with_all_holds_and_deadlines() -> None:
    with TemporaryDirectory(prefix="tenuto-") as folder:
        server = Valkey(Path(folder), "--appendonly", "yes", "--appendfsync", "always")
        server.start()
        box = Box(Recorded(Address(server.url)))
        try:
            await box.fill()
            anna = await box.hold("anna", Line(YOGA, 2), MASSAGE)
            await box.hold("ben", YOGA)
            pin = await box.pin("ben")

            server.kill()
            server.start()

            found = await box.find("anna")
            assert (found.state, found.expires_at, found.version) == (HoldState.HELD, anna.expires_at, 1)
            pinned = await box.engine.pinned(box.site, "ben")
            assert pinned is not None
            assert (pinned.fence, pinned.resolve_by) == (pin.fence, pin.resolve_by)
            assert (await box.seats()).held == 3
            await box.counts_are_right()
            await box.advance(HOLD_LENGTH)
            assert (await box.sweep()).ended == 1
        finally:
            await box.connection.close()
            server.stop()
