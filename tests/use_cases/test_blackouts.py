"""Blackouts and shifts: who is affected is told before anything is saved, and then stays or is cancelled."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import pytest

from tests.house import House, slot
from tests.store.studio import TALK, YOGA
from tests.use_cases.test_calendar import operator_of, update
from widget_server.domain.blackouts import Blackout
from widget_server.domain.impact import Choice, Chosen, Trouble
from widget_server.domain.schedule import CapacityRule, Schedule, SlotRule
from widget_server.domain.staffing import Shift, StaffMember
from widget_server.errors import Changed, InvalidRequest, NotFound
from widget_server.use_cases import staffing
from widget_server.use_cases.blackouts import find
from widget_server.use_cases.edits import Edited, by_shift, fingerprint, fingerprint_of
from widget_server.use_cases.services import key_of

pytestmark = pytest.mark.anyio

KEEP = Chosen(Choice.KEEP)
DAY = slot().starts_at.date()
ANNA = StaffMember("anna", "Anna Berg", None, frozenset({"yoga"}))
WEEK = [Shift("anna", time(8), time(12), weekday=weekday) for weekday in range(7)]


async def schedule_of(house: House) -> Schedule:
    return (await house.parts.use_cases.sites.read(await house.site()))[1]


async def black_out(house: House, blackout: Blackout, **changes: Any) -> Edited:
    shown = await schedule_of(house)
    edited = await house.parts.use_cases.blackouts.save(
        await house.site(), blackout, operator_id=await operator_of(house), shown=shown, **changes
    )
    house.parts.use_cases.catalog.forget("studio")
    return edited


async def book(house: House, *wanted: Any) -> Any:
    guest = house.guest()
    assert (await guest.hold(*wanted)).status_code == 201
    assert (await guest.confirm()).status_code == 201
    return guest


async def test_nobody_is_affected_and_it_is_saved_at_once(house: House) -> None:
    await book(house, slot(day=1))

    assert (await black_out(house, Blackout(DAY, DAY))).is_saved
    assert (await house.guest().hold(slot())).status_code == 409
    assert (await house.guest().hold(slot(day=1))).status_code == 201


async def test_who_is_affected_is_told_and_nothing_is_saved_before_there_is_a_choice(house: House) -> None:
    await book(house, (slot(), 2))
    await house.guest().hold((slot(), 3))

    edited = await black_out(house, Blackout(DAY, DAY))

    assert not edited.is_saved
    (found,) = edited.consequences.affected
    assert (found.trouble, found.taken.booked, found.taken.held) == (Trouble.BLACKOUT, 2, 3)
    (booked,) = edited.bookings
    assert (booked.slot, booked.seats, booked.customer) == (slot(), 2, "Anna Berg")
    assert (await schedule_of(house)).blackouts == ()


async def test_who_is_kept_keeps_the_booking_and_the_hold(house: House) -> None:
    anna = await book(house, (slot(), 2))
    ben = house.guest()
    await ben.hold((slot(), 3))

    assert (await black_out(house, Blackout(DAY, DAY), choice=KEEP)).is_saved

    kept = (await schedule_of(house)).find(slot())
    assert kept is not None
    assert kept.is_closed
    assert (await anna.order()).json()["order"]["bookings"][0]["state"] == "confirmed"
    assert (await ben.look()).status_code == 200
    assert (await house.guest().hold(slot())).status_code == 409


async def test_who_is_cancelled_is_cancelled_and_the_seats_are_free_again_in_redis(house: House) -> None:
    anna = await book(house, (slot(), 2))

    asked = await black_out(house, Blackout(DAY, DAY), choice=Chosen(Choice.CANCEL))
    assert (asked.is_saved, asked.have_changed) == (False, True)
    seen = fingerprint_of(asked.bookings)
    edited = await black_out(house, Blackout(DAY, DAY), choice=Chosen(Choice.CANCEL, bookings_seen=seen))

    assert [booked.seats for booked in edited.cancelled] == [2]
    assert (await anna.order()).json()["order"]["bookings"][0]["state"] == "cancelled"
    assert (await house.seats()).booked == 0
    assert (await schedule_of(house)).find(slot()) is None


async def test_a_blackout_is_changed_once_and_taken_away(house: House) -> None:
    await black_out(house, Blackout(DAY, DAY, service="yoga"))
    (stored,) = (await schedule_of(house)).blackouts
    seen = fingerprint(stored)

    assert (await black_out(house, replace(stored, reason="paint"), seen=seen)).is_saved
    with pytest.raises(Changed):
        await black_out(house, replace(stored, reason="dust"), seen=seen)
    remove, site, operator = house.parts.use_cases.blackouts.remove, await house.site(), await operator_of(house)
    await remove(site, stored.id or 0, operator_id=operator)
    with pytest.raises(NotFound):
        await remove(site, stored.id or 0, operator_id=operator)

    with pytest.raises(NotFound):
        find(await schedule_of(house), stored.id or 0)
    house.parts.use_cases.catalog.forget("studio")
    assert (await house.guest().hold(slot())).status_code == 201


async def test_a_blackout_of_another_site_cannot_be_changed(house: House) -> None:
    other = await house.found("other")
    shown = (await house.parts.use_cases.sites.read(other))[1]
    await house.parts.use_cases.blackouts.save(
        other, Blackout(DAY, DAY), operator_id=await operator_of(house, "other"), shown=shown
    )
    (theirs,) = (await house.parts.use_cases.sites.read(other))[1].blackouts

    with pytest.raises(NotFound):
        await black_out(house, theirs, seen=fingerprint(theirs))
    with pytest.raises(NotFound):
        await house.parts.use_cases.blackouts.remove(
            await house.site(), theirs.id or 0, operator_id=await operator_of(house)
        )

    assert (await house.parts.use_cases.sites.read(other))[1].blackouts == (theirs,)


# Staff


async def hire(house: House) -> str:
    return await house.parts.use_cases.staffing.add(
        await house.site(), ANNA, WEEK, [], operator_id=await operator_of(house)
    )


async def let_staff_serve(house: House, **changes: Any) -> Edited:
    """Yoga by shift: two seats for each of those who are there."""
    service = (await schedule_of(house)).services["yoga"]
    wanted = replace(service, capacity_rule=CapacityRule.BY_SHIFT, capacity=2)
    edited = await house.parts.use_cases.services.change(
        await house.site(), wanted, operator_id=await operator_of(house), seen=fingerprint(service), **changes
    )
    house.parts.use_cases.catalog.forget("studio")
    return edited


async def change_anna(house: House, shifts: Sequence[Shift], **changes: Any) -> Edited:
    schedule = await schedule_of(house)
    wanted: dict[str, Any] = {
        "services": by_shift(schedule),
        "seen": staffing.fingerprint_of(schedule, "anna"),
        "choice": None,
        "operator_id": await operator_of(house),
    }
    member = changes.pop("member", ANNA)
    return await house.parts.use_cases.staffing.change(
        await house.site(), member, shifts, changes.pop("days_off", []), **wanted | changes
    )


async def test_two_of_one_name_get_keys_of_their_own(house: House) -> None:
    assert [await hire(house), await hire(house)] == ["anna", "anna-2"]

    schedule = await schedule_of(house)
    assert sorted({shift.staff for shift in schedule.shifts}) == ["anna", "anna-2"]


async def test_by_shift_needs_somebody_who_serves_and_when(house: House) -> None:
    with pytest.raises(InvalidRequest, match="Nobody serves this service yet"):
        await let_staff_serve(house)
    await house.parts.use_cases.staffing.add(await house.site(), ANNA, [], [], operator_id=await operator_of(house))
    with pytest.raises(InvalidRequest, match="has a shift yet"):
        await let_staff_serve(house)
    await change_anna(house, WEEK)

    await let_staff_serve(house)

    offered = (await schedule_of(house)).find(slot())
    assert offered is not None
    assert offered.capacity == 2


async def test_a_service_does_not_go_by_shift_while_seats_of_it_are_taken_with_nobody_to_serve_them(
    house: House,
) -> None:
    await hire(house)
    anna, ben = await book(house, slot()), house.guest()
    assert (await ben.hold(slot(number=1))).status_code == 201

    asked = await let_staff_serve(house, choice=KEEP)

    assert not asked.is_saved
    assert [(one.taken.slot, one.trouble) for one in asked.consequences.too_full] == [
        (slot(), Trouble.UNSERVED),
        (slot(number=1), Trouble.UNSERVED),
    ]
    assert asked.consequences.affected == ()
    await anna.cancel()
    await ben.release()
    assert (await let_staff_serve(house)).is_saved


async def test_by_shift_seats_that_only_kept_a_slot_go_with_whoever_had_them(house: House) -> None:
    await hire(house)
    await let_staff_serve(house)
    anna = await book(house, slot())
    assert (await black_out(house, Blackout(DAY, DAY), choice=KEEP)).is_saved
    assert [rule.capacity for rule in (await schedule_of(house)).slot_rules] == [1]
    await anna.cancel()

    await black_out(house, Blackout(DAY + timedelta(days=1), DAY + timedelta(days=1)))

    assert (await schedule_of(house)).slot_rules == ()


async def test_what_was_said_of_a_slot_stays_when_nobody_has_it_any_more(house: House) -> None:
    said = SlotRule(slot(), is_closed=True, capacity=3)
    anna = await book(house, slot())
    await update(house, None, said, choice=KEEP)
    assert (await black_out(house, Blackout(DAY, DAY), choice=KEEP)).is_saved
    assert (await schedule_of(house)).slot_rules == (replace(said, is_kept=True),)
    await anna.cancel()

    await black_out(house, Blackout(DAY + timedelta(days=1), DAY + timedelta(days=1)))

    assert (await schedule_of(house)).slot_rules == (said,)


async def test_a_day_off_tells_who_is_affected_and_keeps_them(house: House) -> None:
    await hire(house)
    await let_staff_serve(house)
    schedule = await schedule_of(house)
    assert (await house.guest().hold(slot())).status_code == 201

    asked = await change_anna(house, WEEK, days_off=[DAY])
    assert not asked.is_saved
    assert [one.trouble for one in asked.consequences.affected] == [Trouble.NO_SHIFTS]
    assert (await change_anna(house, WEEK, days_off=[DAY], choice=KEEP)).is_saved

    kept = (await schedule_of(house)).find(slot())
    assert kept is not None
    assert kept.is_closed
    assert (await schedule_of(house)).version > schedule.version


async def test_of_two_who_change_one_member_the_slower_is_told(house: House) -> None:
    await hire(house)
    seen = staffing.fingerprint_of(await schedule_of(house), "anna")
    await change_anna(house, WEEK[:5], seen=seen)

    with pytest.raises(Changed):
        await change_anna(house, WEEK, seen=seen)


async def test_a_member_of_another_site_is_not_found(house: House) -> None:
    other = await house.found("other")
    await house.parts.use_cases.staffing.add(other, ANNA, WEEK, [], operator_id=await operator_of(house, "other"))

    with pytest.raises(NotFound):
        await house.parts.use_cases.staffing.change(
            await house.site(), ANNA, [], [], operator_id=1, services=[], seen=""
        )


# Services


async def test_a_service_is_made_and_changed_and_the_slower_of_two_is_told(house: House) -> None:
    services = house.parts.use_cases.services
    key = await services.add(await house.site(), replace(TALK, name="Long talk"), operator_id=await operator_of(house))
    made = (await schedule_of(house)).services[key]

    assert key == "talk-2"
    assert (
        await services.change(
            await house.site(), replace(made, name="Talk"), operator_id=await operator_of(house), seen=fingerprint(made)
        )
    ).is_saved
    with pytest.raises(Changed):
        await services.change(
            await house.site(), replace(made, name="Chat"), operator_id=await operator_of(house), seen=fingerprint(made)
        )
    with pytest.raises(NotFound):
        await services.change(await house.site(), replace(made, key="chat"), operator_id=1, seen="")


async def test_fewer_seats_than_somewhere_taken_are_refused_and_say_where(house: House) -> None:
    await book(house, (slot(), 4))
    wanted = replace(YOGA, capacity=3)

    edited = await house.parts.use_cases.services.change(
        await house.site(), wanted, operator_id=await operator_of(house), seen=fingerprint(YOGA), choice=KEEP
    )

    assert not edited.is_saved
    assert [one.taken.slot for one in edited.consequences.too_full] == [slot()]
    assert (await schedule_of(house)).services["yoga"] == YOGA


async def test_a_new_length_leaves_taken_slots_as_they_are(house: House) -> None:
    await book(house, slot(number=1))
    wanted = replace(YOGA, length_min=30)

    asked = await house.parts.use_cases.services.change(
        await house.site(), wanted, operator_id=await operator_of(house), seen=fingerprint(YOGA)
    )
    assert not asked.is_saved
    assert {overlap.taken.slot for overlap in asked.consequences.overlaps} == {slot(number=1)}
    saved = await house.parts.use_cases.services.change(
        await house.site(), wanted, operator_id=await operator_of(house), seen=fingerprint(YOGA), choice=KEEP
    )

    assert saved.is_saved
    slots = [each.slot for each in (await schedule_of(house)).slots_on("yoga", DAY)]
    assert slot(number=1) in slots
    assert [s.ends_at - s.starts_at for s in slots if s != slot(number=1)] == [timedelta(minutes=30)] * 6


@pytest.mark.parametrize(
    ("name", "key"),
    [("Café am Eck", "cafe-am-eck"), ("Große  Runde!", "grosse-runde"), ("体操", "service"), ("x" * 99, "x" * 48)],
)
def test_a_key_can_be_read_in_an_address(name: str, key: str) -> None:
    assert key_of(name, "service") == key
