"""Who serves a booking is known to SQL as well as to Redis, and is free as soon as it is cancelled or has moved."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.house import SITE, Guest, House, refused, slot
from tests.store.studio import TALK, YOGA
from tests.use_cases.test_blackouts import black_out
from widget_server.domain.blackouts import Blackout
from widget_server.domain.impact import Trouble
from widget_server.domain.services import CapacityRule
from widget_server.domain.slots import Slot
from widget_server.domain.staffing import Shift, StaffMember
from widget_server.engine import keys
from widget_server.store.schedule import put_service
from widget_server.store.staff import put_member, put_shifts
from widget_server.use_cases.delivery import Delivery

pytestmark = pytest.mark.anyio

CLASS, BESIDE, LATER = slot(), slot(TALK, number=1), slot(TALK, number=3)
"""A talk begins in the middle of the class."""
PIA, QUINN = "staff/pia", "staff/quinn"


@pytest.fixture(autouse=True)
async def _staff(house: House) -> None:
    await hire(house, "pia")


async def hire(house: House, *names: str) -> None:
    """These serve yoga and talks, all day, and nobody else does."""

    async def write(session: AsyncSession) -> None:
        for service in (replace(YOGA, capacity=3), TALK):
            by_shift = replace(service, capacity_rule=CapacityRule.BY_SHIFT)
            await put_service(session, site.id, by_shift, at=datetime.now(UTC))
        for name in ("pia", "quinn"):
            await put_member(session, site.id, StaffMember(name, name.title(), services=frozenset({"yoga", "talk"})))
            shifts = [Shift(name, time(6), time(20), weekday=weekday) for weekday in range(7)]
            await put_shifts(session, site.id, name, shifts if name in names else [])

    site = await house.site()
    await house.change(write)


async def booked(house: House, *lines: tuple[Slot, int] | Slot) -> Guest:
    guest = house.guest()
    assert (await guest.hold(*lines)).status_code == 201
    assert (await guest.confirm()).status_code == 201
    return guest


async def in_sql(house: House) -> dict[tuple[str, str], int]:
    """Who serves which slot, and how many seats of it."""
    assignments = await house.store.assignments((await house.site()).id, datetime.now(UTC))
    return {(one.claimed, one.slot.id): one.seats for one in assignments if not one.is_freed}


async def in_redis(house: House) -> dict[tuple[str, str], int]:
    """Likewise; what is only held is left out."""
    names, day = (PIA, QUINN), CLASS.starts_at.date()
    _, diaries = await house.engine.days_and_diaries(await house.site(), [], [(name, day) for name in names])
    return {
        (name, claim.slot_id): claim.seats
        for (name, _), diary in diaries.items()
        for claim in diary.claims
        if claim.is_booked
    }


async def forget_pia(house: House) -> None:
    """Redis knows of none of her claims any more."""
    await house.redis.read(("DEL", keys.of_site("tenuto", SITE).diary(PIA, CLASS.starts_at.date())))


async def is_free(house: House, of: Slot) -> bool:
    guest = house.guest()
    answer = await guest.hold(of)
    if answer.status_code == 201:
        await guest.release()
    return answer.status_code == 201


async def test_who_serves_a_booking_stands_in_sql_and_in_redis(house: House) -> None:
    guest = await booked(house, (CLASS, 2))

    assert await in_sql(house) == await in_redis(house) == {(PIA, CLASS.id): 2}
    assert (await guest.confirm()).status_code == 201
    assert await in_sql(house) == {(PIA, CLASS.id): 2}
    assert not await is_free(house, BESIDE)


async def test_whoever_was_to_serve_a_cancelled_booking_is_free(house: House) -> None:
    guest, other = await booked(house, CLASS), await booked(house, CLASS)

    await guest.cancel()
    assert not await is_free(house, BESIDE)  # she still serves the other one's seat
    await other.cancel()
    await other.cancel()

    assert await in_sql(house) == await in_redis(house) == {}
    assert await is_free(house, BESIDE)


async def test_a_booking_that_moves_takes_its_person_along(house: House) -> None:
    guest = await booked(house, BESIDE)

    assert (await guest.reschedule(LATER)).status_code == 200

    assert await in_sql(house) == await in_redis(house) == {(PIA, LATER.id): 1}
    assert await is_free(house, CLASS)
    assert (await guest.reschedule(BESIDE)).status_code == 200  # where it was before, under another id
    assert await in_sql(house) == await in_redis(house) == {(PIA, BESIDE.id): 1}


async def test_nobody_is_busy_with_a_move_that_was_refused_for_its_id(house: House) -> None:
    """The id is that of the order itself, and Redis has forgotten that hold, as it does after a day."""
    guest = await booked(house, BESIDE)
    await house.redis.read(("DEL", keys.of_site("tenuto", SITE).hold(guest.id)))

    refused(await guest.reschedule(LATER, id=guest.id), 409, "id_conflict")

    assert await in_sql(house) == await in_redis(house) == {(PIA, BESIDE.id): 1}
    assert await is_free(house, LATER)


async def test_where_nothing_is_held_first_somebody_is_assigned_as_well(house: House) -> None:
    await house.change_settings(holds_on=False)

    assert (await house.guest().confirm_at_once(CLASS)).status_code == 201

    assert await in_sql(house) == await in_redis(house) == {(PIA, CLASS.id): 1}


async def test_who_confirms_too_late_is_recorded_with_whoever_is_free_by_then(house: House) -> None:
    await hire(house, "pia", "quinn")
    late, beside = house.guest(), house.guest()
    await late.hold(CLASS)
    await house.advance(timedelta(minutes=15))
    await beside.hold(BESIDE)

    assert [(await guest.confirm()).status_code for guest in (late, beside)] == [201, 201]

    assert await in_sql(house) == await in_redis(house)
    assert sorted(name for name, _ in await in_sql(house)) == [PIA, QUINN]


async def test_an_emptied_redis_learns_again_who_is_busy(house: House) -> None:
    await booked(house, CLASS)
    cancelled = await booked(house, LATER)
    await cancelled.cancel()

    await house.flush()

    assert not await is_free(house, BESIDE)
    assert await is_free(house, LATER)
    assert await in_redis(house) == {(PIA, CLASS.id): 1}


async def test_a_redis_set_back_frees_who_was_freed_since(house: House) -> None:
    guest = await booked(house, CLASS)
    await house.remember()
    await guest.cancel()
    await house.go_back()

    await house.parts.use_cases.reconciliation.fill(SITE)

    assert await in_redis(house) == {}
    assert await is_free(house, BESIDE)


async def test_a_rebuild_of_a_living_redis_sets_diaries_right_and_ends_no_hold(house: House) -> None:
    await booked(house, CLASS)
    holding = house.guest()
    await forget_pia(house)
    await holding.hold(LATER)
    rebuilding = house.parts.use_cases.reconciliation.rebuilding

    steps = [step async for step in rebuilding.rebuild([await house.site()])]

    assert sum(step.mended for step in steps) == 1
    assert await in_redis(house) == {(PIA, CLASS.id): 1}
    assert (await holding.look()).json()["hold"]["state"] == "held"
    assert sum([step.mended async for step in rebuilding.rebuild([await house.site()])]) == 0


async def test_whoever_served_what_an_older_sql_does_not_know_is_free_after_a_rebuild(
    house: House, tmp_path: Path
) -> None:
    """That of Redis is a later epoch, as it was filled anew since the backup was made."""
    file, backup = tmp_path / "tenuto.sqlite3", tmp_path / "backup.sqlite3"
    copy_sql(file, backup)
    await booked(house, CLASS)
    await house.parts.use_cases.reconciliation.fill(SITE)
    copy_sql(backup, file)
    house.parts.use_cases.catalog.forget(SITE)  # a restored SQL is not served by processes from before

    steps = [step async for step in house.parts.use_cases.reconciliation.rebuilding.rebuild([await house.site()])]

    assert sum(step.mended for step in steps) == 1
    assert await in_redis(house) == {}
    assert await is_free(house, BESIDE)
    assert await house.parts.use_cases.reconciliation.auditing.found([await house.site()]) == []


def copy_sql(from_file: Path, to_file: Path) -> None:
    with closing(sqlite3.connect(from_file)) as source, closing(sqlite3.connect(to_file)) as target:
        source.backup(target)


async def test_sql_refuses_two_slots_at_once_and_then_redis_knows_better(house: House) -> None:
    await booked(house, CLASS)
    await forget_pia(house)
    ben = house.guest()
    assert (await ben.hold(BESIDE)).status_code == 201

    refused(await ben.confirm(), 409, "slot_full")

    assert await in_sql(house) == await in_redis(house) == {(PIA, CLASS.id): 1}
    assert not await is_free(house, BESIDE)


async def test_seats_held_before_a_service_went_by_shift_are_not_booked_with_nobody(house: House) -> None:
    await serve_talks_without_staff(house)
    anna = house.guest()
    assert (await anna.hold(BESIDE)).status_code == 201
    await hire(house, "pia")

    refused(await anna.confirm(), 409, "slot_full")

    assert (await house.booked_in_sql(BESIDE), (await house.seats(BESIDE)).taken) == (0, 0)
    await booked(house, BESIDE)  # choosing again finds somebody
    assert await in_sql(house) == await in_redis(house) == {(PIA, BESIDE.id): 1}


async def serve_talks_without_staff(house: House) -> None:
    async def write(session: AsyncSession) -> None:
        await put_service(session, site.id, TALK, at=datetime.now(UTC))

    site = await house.site()
    await house.change(write)


async def test_a_commit_that_comes_after_the_cancellation_claims_nobody_for_good(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest, site = house.guest(), await house.site()
    await guest.hold(CLASS)

    async def later(*_: object, **__: object) -> None:
        pass

    with monkeypatch.context() as patch:
        patch.setattr(Delivery, "tell_booked", later)
        assert (await guest.confirm()).status_code == 201
    pin = await house.engine.pinned(site, guest.id)
    assert pin is not None
    told = await house.store.booked_after(site.id, guest.id)
    await guest.cancel()
    await house.engine.commit(site, guest.id, fence=pin.fence, booked=told)
    assert await in_redis(house) == {(PIA, CLASS.id): 1}

    await house.deliver()

    assert await in_redis(house) == {}
    assert await is_free(house, BESIDE)


async def test_an_operator_hears_whose_booking_a_person_would_leave_though_others_are_there(house: House) -> None:
    await hire(house, "pia", "quinn")
    await booked(house, CLASS)
    ((claimed, _),) = await in_sql(house)
    away = claimed.removeprefix("staff/")
    (other,) = {"pia", "quinn"} - {away}
    day = CLASS.starts_at.date()

    edited = await black_out(house, Blackout(day, day, staff=away))

    assert not edited.is_saved
    (found,) = edited.consequences.affected
    assert (found.trouble, found.taken.slot, found.away) == (Trouble.STAFF_AWAY, CLASS, frozenset({away}))
    assert (await black_out(house, Blackout(day, day, staff=other))).is_saved
