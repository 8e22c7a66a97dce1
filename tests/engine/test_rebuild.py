from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.engine.box import HOLD_LENGTH, LATE_YOGA, MASSAGE, TAKEOVER, YOGA, Box, Recorded, days_of
from tests.engine.servers import Valkey
from widget_server.domain.bookings import BookedDay, BookedSeats
from widget_server.domain.events import SiteReset
from widget_server.domain.holds import HoldState, Line
from widget_server.domain.slots import Seats
from widget_server.engine.feed import is_after
from widget_server.engine.inspection import Inspection
from widget_server.engine.restoring import Busy, Filled
from widget_server.engine.wire import Address
from widget_server.errors import Loading, StaleSchedule

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("only_declared")]


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
    before = await box.now()
    assert await box.engine.rebuild(box.site, 2, "anna", TAKEOVER) is None
    busy = await box.engine.rebuild(box.site, 2, "ben", TAKEOVER)
    assert isinstance(busy, Busy)
    assert busy.epoch == 2
    assert before <= busy.until - TAKEOVER <= await box.now()

    await box.advance(TAKEOVER)

    assert await box.engine.rebuild(box.site, 2, "ben", TAKEOVER) is None
    assert await box.engine.restore(box.site, "anna", TAKEOVER, days_of([BookedSeats(YOGA, 9, 9)])) is None
    assert not await box.engine.open(box.site, "anna", 1)
    assert await box.engine.restore(box.site, "ben", TAKEOVER, days_of([BookedSeats(YOGA, 1, 1)])) == 1
    assert await box.engine.open(box.site, "ben", 1)


async def test_signs_of_life_keep_others_away_and_only_while_the_rebuild_is_theirs(box: Box) -> None:
    assert await box.engine.rebuild(box.site, 2, "anna", TAKEOVER) is None
    for _ in range(2):
        await box.advance(TAKEOVER - timedelta(seconds=1))
        assert await box.engine.restore(box.site, "anna", TAKEOVER) == 0
    assert await box.engine.rebuild(box.site, 2, "ben", TAKEOVER) is not None

    await box.advance(TAKEOVER)

    assert await box.engine.rebuild(box.site, 2, "ben", TAKEOVER) is None
    assert await box.engine.restore(box.site, "anna", TAKEOVER) is None


async def test_a_gate_that_is_open_in_a_late_enough_epoch_stays_open(box: Box) -> None:
    await Box(box.connection, replace(box.site, epoch=2)).fill()

    assert await box.engine.rebuild(box.site, 3, "late", TAKEOVER, enough=2) == Filled(2)
    assert await box.engine.rebuild(box.site, 3, "later", TAKEOVER, enough=3) is None


async def test_lines_that_nobody_named_are_asked_for(box: Box) -> None:
    """As of a hold that was made between the look at all keys and the end of the old epoch."""
    await box.hold("anna", Line(YOGA, 2), LATE_YOGA)
    before = await box.seats(LATE_YOGA)
    await box.engine.rebuild(box.site, 1, "second", TAKEOVER)

    assert await box.engine.restore(box.site, "second", TAKEOVER, days_of([BookedSeats(YOGA, 1, 4)])) == 2
    await box.engine.open(box.site, "second", 1)
    assert (await box.seats(YOGA)).held == 2
    assert await box.seats(LATE_YOGA) == before._replace(version=before.version + 1)


async def test_what_was_counted_and_the_store_does_not_know_is_not_booked(box: Box) -> None:
    await box.engine.set_booked(box.site, [BookedSeats(YOGA, 3, 7), BookedSeats(LATE_YOGA, 2, 7)])

    await box.fill([BookedSeats(YOGA, 1, 2)])

    assert [(await box.seats(of)).booked for of in (YOGA, LATE_YOGA)] == [1, 0]
    await box.engine.set_booked(box.site, [BookedSeats(LATE_YOGA, 4, 1)])
    assert (await box.seats(LATE_YOGA)).booked == 4, "whatever the store says first is newer"


async def test_a_day_of_very_many_slots_is_filled(box: Box) -> None:
    day, _, _ = YOGA.id.partition("T")
    seats = [f"{minute // 60:02}{minute % 60:02}Z.{length} 1 1" for minute in range(1440) for length in (15, 30, 60)]
    await box.engine.rebuild(box.site, 1, "second", TAKEOVER)

    assert await box.engine.restore(box.site, "second", TAKEOVER, [BookedDay(day, " ".join(seats))]) == len(seats)
    await box.engine.open(box.site, "second", 1)
    assert (await box.seats()).booked == 1


async def test_where_in_the_feed_a_rebuild_began_is_known_and_nobody_hears_of_it(box: Box) -> None:
    await box.hold("anna")
    last_id = await box.feed.last_id("tenuto")

    await box.engine.rebuild(box.site, 1, "second", TAKEOVER)

    (began,) = await Inspection(box.connection).fillings([box.site])
    assert began is not None
    assert began.epoch == 1
    assert is_after(began.begun_at, last_id)
    assert await box.feed.last_id("tenuto") == last_id
    await box.engine.open(box.site, "second", 1)
    assert is_after(await box.feed.last_id("tenuto"), began.begun_at)


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
    slots = [YOGA._replace(service=f"service-{number}") for number in range(250)]

    await box.fill([BookedSeats(slot, 1, 1) for slot in slots])

    assert (await box.seats(slots[0])).booked == 1
    assert (await box.seats(slots[-1])).booked == 1


async def test_all_days_that_redis_counts_can_be_found_with_their_lines_and_none_of_another_site(box: Box) -> None:
    await box.hold("anna", YOGA, LATE_YOGA)
    await box.engine.set_booked(box.site, [BookedSeats(MASSAGE, 1, 1)])
    other = Box(box.connection, replace(box.site, key="studio-two"))
    await other.fill()
    await other.hold("ben")

    days = await Inspection(box.connection).days("tenuto")

    yoga, massage = (slot.id.partition("T")[0] for slot in (YOGA, MASSAGE))
    assert days == {"studio": {yoga: [YOGA.id, LATE_YOGA.id], massage: []}, "studio-two": {yoga: [YOGA.id]}}


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
