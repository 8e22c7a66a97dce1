"""Filling a Redis that has lost a site: by whoever meets it first, once, and taken over from the dead."""

import asyncio
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.engine.servers import Valkey
from tests.house import SITE, House, opened, refused, slot
from tests.store.studio import TALK
from tests.use_cases.office import MovedClock
from tests.use_cases.till import ALL_SEATS, LESSON, Payer, Till
from tests.use_cases.working import (
    A_SECOND,
    WITHIN_S,
    booked_and_held,
    eventually,
    open_epoch,
    reconciliation,
    until,
    working,
)
from widget_server.domain.attempts import WaitingPin
from widget_server.domain.bookings import BookedDay, BookedSeats
from widget_server.domain.holds import HoldState
from widget_server.domain.payments import AttemptState
from widget_server.engine import keys
from widget_server.errors import Fault, Loading, NotFound, SlotFull
from widget_server.store.bookings import Bookings
from widget_server.store.sites import Sites
from widget_server.use_cases import rebuilding
from widget_server.use_cases.rebuilding import Rebuilding
from widget_server.use_cases.restoring import TAKEOVER_AFTER

pytestmark = pytest.mark.anyio


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

    for answer in (await ben.look(), await ben.renew(), await ben.release()):
        refused(answer, 404, "not_found")
    assert (await ben.hold((slot(), 3))).status_code == 201
    assert (await ben.confirm("Ben Oak")).status_code == 201


async def test_whoever_would_confirm_a_hold_that_redis_has_lost_is_told_so_and_begins_anew(house: House) -> None:
    """Under another id: a no to a confirmation is for good."""
    ben, ben_again = house.guest(), house.guest()
    await ben.hold((slot(), 3))
    await house.flush()

    refused(await ben.confirm("Ben Oak"), 404, "not_found")
    assert (await ben_again.hold((slot(), 3))).status_code == 201
    assert (await ben_again.confirm("Ben Oak")).status_code == 201


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


async def test_a_site_that_cannot_be_filled_keeps_no_other_from_being_filled(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill = Rebuilding._fill

    async def fail(self: Rebuilding, site_key: str, *args: Any, **kwargs: Any) -> int:
        if site_key == "broken":
            raise Fault("Redis does not take our commands: ERR as nobody foresaw")
        return await fill(self, site_key, *args, **kwargs)

    sites = [await house.found("broken"), await house.site()]
    await house.flush()
    monkeypatch.setattr(Rebuilding, "_fill", fail)
    with capture_logs() as logs:
        assert not await reconciliation(house).rebuilding.fill_all(sites)

    assert await open_epoch(house) == (await house.site()).epoch
    assert [log["site"] for log in logs if log["event"] == "worker_failed"] == ["broken"]


async def test_while_one_process_fills_another_says_so_and_takes_over_when_it_has_died(house: House) -> None:
    site = await house.site()
    await house.engine.rebuild(site, site.epoch + 1, "somebody", TAKEOVER_AFTER)

    answer = await house.guest().hold()
    refused(answer, 503, "loading")
    assert answer.headers["retry-after"] == "1"
    await house.advance(TAKEOVER_AFTER + A_SECOND)
    assert (await house.guest().hold()).status_code == 201


@pytest.fixture
def slow_sql(monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """Nothing is read from SQL for a rebuild: the first event says that somebody wants it, the second lets it go on."""
    wanted, goes_on = asyncio.Event(), asyncio.Event()
    to_restore = Bookings.to_restore

    async def slowly(store: Bookings, site_id: int, first: date) -> tuple[list[BookedDay], list[WaitingPin]]:
        read = await to_restore(store, site_id, first)
        wanted.set()
        await goes_on.wait()
        return read

    monkeypatch.setattr(Bookings, "to_restore", slowly)
    return wanted, goes_on


async def test_a_filling_that_takes_long_is_not_taken_over_while_it_lives(
    house: House, another: House, slow_sql: tuple[asyncio.Event, asyncio.Event]
) -> None:
    wanted, goes_on = slow_sql
    filling = asyncio.create_task(reconciliation(house).fill(SITE))
    await wanted.wait()
    epoch = (await house.site()).epoch
    for _ in range(3):
        until_ms = await living_until(house)
        await house.advance(TAKEOVER_AFTER - A_SECOND / 2)
        await eventually(lambda: lives_longer(house, than_ms=until_ms))  # noqa: B023

    refused(await another.guest().hold(), 503, "loading")
    goes_on.set()
    await filling
    assert await open_epoch(house) == (await house.site()).epoch == epoch


async def living_until(house: House) -> int:
    (until_ms,) = await house.redis.read(("HGET", keys.of_site("tenuto", SITE).gate, "until_ms"))
    return int(until_ms)


async def lives_longer(house: House, *, than_ms: int) -> bool:
    return await living_until(house) > than_ms


async def test_a_filling_whose_process_dies_is_taken_over_within_seconds(
    house: House, another: House, slow_sql: tuple[asyncio.Event, asyncio.Event]
) -> None:
    wanted, goes_on = slow_sql
    anna = house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()
    filling = asyncio.create_task(reconciliation(house).fill(SITE))
    await wanted.wait()
    async with working(another):
        filling.cancel()
        goes_on.set()
        assert await until(house, booked=2, held=0) < WITHIN_S


async def test_whoever_is_at_the_pay_page_keeps_their_seats_when_redis_forgets_all_and_no_worker_is_there(
    till: Till,
) -> None:
    anna, ben, cleo = Payer(), Payer(name="Ben Oak"), Payer(name="Cleo Ek")
    session = await till.at_the_page(anna, (LESSON, ALL_SEATS // 2))
    await till.paid(ben, (LESSON, ALL_SEATS // 2))
    await till.house.flush()

    with pytest.raises(SlotFull):  # the first who comes has the site filled
        await till.hold(cleo)
    till.shop.books.pay(session)
    assert await till.settle(anna) is AttemptState.PAID
    assert await booked_and_held(till.house, LESSON) == (ALL_SEATS, 0)


async def test_what_is_booked_counts_for_as_long_as_somebody_is_still_paying_for_others_of_these_seats(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it is over by then: nobody is given a seat of which it is not known whether it is free."""
    anna, ben = Payer(), Payer(name="Ben Oak")
    await till.at_the_page(anna, (LESSON, ALL_SEATS // 2))
    await till.paid(ben, (LESSON, ALL_SEATS // 2))
    await till.house.flush()

    filling = reconciliation(till.house).rebuilding
    monkeypatch.setattr(filling._restoring, "_clock", MovedClock(LESSON.starts_at + timedelta(days=3)))
    await filling.fill(SITE)
    assert await booked_and_held(till.house, LESSON) == (ALL_SEATS // 2, ALL_SEATS // 2)


async def test_those_who_are_paying_also_keep_their_seats_where_a_filling_has_died(
    till: Till, slow_sql: tuple[asyncio.Event, asyncio.Event]
) -> None:
    wanted, goes_on = slow_sql
    anna, ben, cleo = Payer(), Payer(name="Ben Oak"), Payer(name="Cleo Ek")
    for payer in (anna, ben):
        await till.at_the_page(payer, (LESSON, ALL_SEATS // 2))
    await till.house.flush()
    filling = asyncio.create_task(reconciliation(till.house).fill(SITE))
    await wanted.wait()
    filling.cancel()
    goes_on.set()

    await till.house.advance(TAKEOVER_AFTER + A_SECOND)
    with pytest.raises(SlotFull):
        await till.hold(cleo)


async def test_whoever_gave_up_paying_while_their_site_was_filled_is_let_go(
    till: Till, slow_sql: tuple[asyncio.Event, asyncio.Event]
) -> None:
    wanted, goes_on = slow_sql
    anna = Payer()
    await till.at_the_page(anna)
    await till.house.flush()
    filling = asyncio.create_task(reconciliation(till.house).fill(SITE))
    await wanted.wait()
    with pytest.raises(Loading):
        await till.go_back(anna)
    goes_on.set()
    await filling
    assert await booked_and_held(till.house, LESSON) == (0, 1), "as it was read"

    assert await till.settle(anna) is AttemptState.ENDED
    assert (await till.go_back(anna)).state is HoldState.HELD
    assert (await till.hold(anna)).state is HoldState.HELD


async def test_one_that_was_taken_over_while_it_stood_still_does_no_harm(
    house: House, another: House, slow_sql: tuple[asyncio.Event, asyncio.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has read an older SQL, and gives no sign of life, as a process that was stopped for a while."""
    wanted, goes_on = slow_sql
    monkeypatch.setattr(rebuilding, "SIGN_EVERY_S", 1e9)
    filling = asyncio.create_task(reconciliation(house).fill(SITE))
    await wanted.wait()
    await house.advance(TAKEOVER_AFTER + A_SECOND)
    monkeypatch.undo()
    anna = another.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()
    epoch = (await house.site()).epoch

    goes_on.set()
    with pytest.raises(Loading):
        await filling
    assert await booked_and_held(house) == (2, 0)
    assert await open_epoch(house) == epoch


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
