"""Operators change a calendar that is live: whatever is taken stays where it is, and nobody slips in between."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.house import House, slot
from tests.store.studio import YOGA
from tests.use_cases.office import NETWORK, PASSWORD
from widget_server.domain.audit_log import Deed
from widget_server.domain.impact import Choice, Chosen, Trouble
from widget_server.domain.schedule import Opening, Schedule, SlotRule
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.errors import Changed, NotFound
from widget_server.store.audit_log import AuditLog
from widget_server.store.operators import Operators
from widget_server.use_cases.calendar import fingerprint_of
from widget_server.use_cases.edits import Edited, fingerprint
from widget_server.use_cases.edits import fingerprint_of as fingerprint_of_bookings
from widget_server.use_cases.scheduling import Look, Scheduling
from widget_server.use_cases.sites import mark

pytestmark = pytest.mark.anyio

KEEP = Chosen(Choice.KEEP)
DAY = slot().starts_at.date()
"""The day after tomorrow, with yoga at 8, 9, 10 and 11."""


async def schedule_of(house: House) -> Schedule:
    return (await house.parts.use_cases.sites.read(await house.site()))[1]


def typed(starts: time, ends: time, day: date = DAY) -> Opening:
    return Opening("yoga", starts, ends, day=day, whole=True)


def slot_at(hour: int, minute: int = 0, *, length_min: int = 60) -> Slot:
    starts_at = slot().starts_at.replace(hour=hour, minute=minute)
    return Slot("yoga", starts_at, starts_at + timedelta(minutes=length_min))


async def update(house: House, openings: Sequence[Opening] | None = None, *rules: SlotRule, **changes: Any) -> Edited:
    schedule = await schedule_of(house)
    if openings is None:
        openings = [opening for opening in schedule.openings if opening.service == "yoga"]
    wanted: dict[str, Any] = {
        "seen": fingerprint_of(schedule, "yoga"),
        "operator_id": await operator_of(house),
    } | changes
    edited = await house.parts.use_cases.calendar.update(await house.site(), "yoga", openings, rules, **wanted)
    house.parts.use_cases.catalog.forget("studio")
    return edited


async def hired(house: House, key: str = "studio") -> str:
    """The address of who runs the site, from the first call on."""
    address = f"{key}@example.org"
    if await Operators(house.parts.database).by_email(address) is None:
        sites = house.parts.use_cases.sites
        token = await sites.first_run_token(await house.site(key))
        await sites.set_up(token, address, PASSWORD, network=NETWORK)
    return address


async def operator_of(house: House, key: str = "studio") -> int:
    operator = await Operators(house.parts.database).by_email(await hired(house, key))
    assert operator is not None
    return operator.id


async def offered(house: House) -> list[Slot]:
    return [each.slot for each in (await schedule_of(house)).slots_on("yoga", DAY) if not each.is_closed]


async def test_openings_and_typed_slots_take_the_place_of_those_before(house: House) -> None:
    edited = await update(house, [typed(time(8), time(8, 45)), typed(time(20), time(21, 30))])

    assert edited.is_saved
    assert await offered(house) == [slot_at(8, length_min=45), slot_at(20, length_min=90)]
    assert (await house.guest().hold(slot_at(20, length_min=90))).status_code == 201


async def test_a_slot_with_seats_held_stays_though_its_opening_goes(house: House) -> None:
    anna = house.guest()
    assert (await anna.hold((slot(), 2))).status_code == 201

    edited = await update(house, [typed(time(20), time(21))], choice=KEEP)

    assert edited.is_saved
    assert await offered(house) == [slot_at(20)]
    assert (await anna.confirm()).status_code == 201
    assert (await house.guest().hold(slot())).status_code == 409, "closed for everybody else"


async def test_a_slot_with_seats_booked_stays_though_its_opening_goes_and_is_forgotten_when_they_are_cancelled(
    house: House,
) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()

    await update(house, [], choice=KEEP)
    (rule,) = (await schedule_of(house)).slot_rules
    assert (rule.slot, rule.is_kept) == (slot(), True)

    assert (await anna.cancel()).status_code == 200
    await update(house, [])
    assert (await schedule_of(house)).slot_rules == ()


async def test_the_audit_log_says_what_was_changed_and_nothing_of_what_was_refused(house: House) -> None:
    await house.guest().hold(slot())
    await update(house, [typed(time(8, 30), time(9, 30))])
    await update(house, [typed(time(20), time(21))], choice=KEEP)

    (entry,) = await AuditLog(house.parts.database).entries((await house.site()).id, limit=9)
    assert (entry.deed, entry.about, entry.operator) == (Deed.CALENDAR_CHANGED, "yoga", "studio@example.org")


async def decided(house: House, openings: Sequence[Opening], every: Choice, *rules: SlotRule) -> tuple[Edited, Edited]:
    """What is shown first, and what became of it once that was chosen for all who were shown."""
    asked = await update(house, openings, *rules)
    chosen = Chosen(every, message="Come at noon?", bookings_seen=fingerprint_of_bookings(asked.bookings))
    return asked, await update(house, openings, *rules, choice=chosen)


async def test_who_has_a_slot_that_goes_is_shown_and_can_be_cancelled_with_it(house: House) -> None:
    anna, ben = house.guest(), house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()
    await ben.hold(slot(number=1))

    asked, saved = await decided(house, [typed(time(20), time(21))], Choice.CANCEL)

    assert not asked.is_saved
    assert [(one.taken.slot, one.trouble) for one in asked.consequences.affected] == [
        (slot(), Trouble.NOT_OFFERED),
        (slot(number=1), Trouble.NOT_OFFERED),
    ]
    assert [booked.seats for booked in asked.bookings] == [2]
    assert saved.is_saved
    assert (await anna.order()).json()["order"]["bookings"][0]["state"] == "cancelled"
    assert (await schedule_of(house)).slot_rules == (), "nobody is left, and who holds seats is told when they confirm"


async def test_who_has_a_slot_that_is_closed_can_be_asked_to_move(house: House) -> None:
    anna = house.guest()
    await anna.hold(slot())
    await anna.confirm()
    openings = [opening for opening in (await schedule_of(house)).openings if opening.service == "yoga"]

    asked, saved = await decided(house, openings, Choice.MOVE, SlotRule(slot(), is_closed=True))

    assert [one.trouble for one in asked.consequences.affected] == [Trouble.CLOSED]
    assert saved.is_saved
    (booking,) = (await anna.order()).json()["order"]["bookings"]
    assert (booking["state"], booking["move_request"]["message"]) == ("confirmed", "Come at noon?")


async def test_a_new_slot_is_offered_once_those_across_it_are_cancelled(house: House) -> None:
    anna = house.guest()
    await anna.hold(slot())
    await anna.confirm()

    asked, saved = await decided(house, [typed(time(8, 30), time(9, 30))], Choice.CANCEL)

    assert [one.taken.slot for one in asked.consequences.overlaps] == [slot()]
    assert [booked.customer for booked in asked.bookings] == ["Anna Berg"]
    assert saved.is_saved
    assert await offered(house) == [slot_at(8, 30)]
    assert (await house.guest().hold(slot_at(8, 30))).status_code == 201


async def test_a_new_slot_across_a_taken_one_is_refused_and_names_it(house: House) -> None:
    await house.guest().hold(slot())

    edited = await update(house, [typed(time(8, 30), time(9, 30))])

    assert not edited.is_saved
    assert [(o.slot, o.taken.slot) for o in edited.consequences.overlaps] == [(slot_at(8, 30), slot())]
    assert slot() in await offered(house)


async def test_a_slot_is_kept_as_long_as_somebody_has_it_and_then_gives_way(house: House) -> None:
    anna, ben = house.guest(), house.guest()
    await anna.hold(slot())
    await anna.confirm()
    await ben.hold(slot())
    across = typed(time(8, 30), time(9, 30))
    assert (await update(house, [across], choice=KEEP)).is_saved
    kept_slots = house.parts.use_cases.kept_slots

    assert await kept_slots.let_go() == 0
    await anna.cancel()
    version = (await schedule_of(house)).version
    assert await kept_slots.let_go() == 0, "ben still holds a seat"
    assert (await schedule_of(house)).version == version
    await ben.release()

    assert await kept_slots.let_go() == 1
    house.parts.use_cases.catalog.forget("studio")
    assert (await schedule_of(house)).slot_rules == ()
    assert await offered(house) == [slot_at(8, 30)]
    assert (await house.guest().hold(slot_at(8, 30))).status_code == 201


async def test_seats_that_a_slot_had_only_for_those_who_had_it_do_not_stay_behind(house: House) -> None:
    """Another length makes other slots, with fewer seats than somebody has of a slot that is not made any more."""
    anna = house.guest()
    await anna.hold((slot(), 5))
    await anna.confirm()
    schedule = await schedule_of(house)
    yoga, services = schedule.services["yoga"], house.parts.use_cases.services
    shorter, site, by = replace(yoga, length_min=45, capacity=3), await house.site(), await operator_of(house)
    saved = await services.change(site, shorter, seen=fingerprint(yoga), operator_id=by, choice=KEEP)
    assert saved.is_saved
    assert [(rule.slot, rule.capacity) for rule in (await schedule_of(house)).slot_rules] == [(slot(), 5)]
    await anna.cancel()

    assert await house.parts.use_cases.kept_slots.let_go() == 1
    longer = replace(shorter, length_min=60)
    await services.change(site, longer, seen=fingerprint(shorter), operator_id=by)

    again = (await schedule_of(house)).find(slot())
    assert again is not None
    assert again.capacity == 3


async def test_with_a_choice_the_taken_one_stays_and_the_new_one_is_left_out(house: House) -> None:
    await house.guest().hold(slot())

    edited = await update(house, [typed(time(8, 30), time(9, 30)), typed(time(12), time(13))], choice=KEEP)

    assert edited.is_saved
    assert await offered(house) == [slot_at(12)]


async def test_a_taken_slot_can_be_closed_and_grow(house: House) -> None:
    anna, ben = house.guest(), house.guest()
    await anna.hold((slot(), 6))

    assert (await update(house, None, SlotRule(slot(), capacity=14))).is_saved
    assert (await ben.hold((slot(), 6))).status_code == 201
    assert (await house.seats()).held == 12
    assert (await house.guest().hold((slot(), 2))).status_code == 201
    await ben.release()
    closed = await update(house, None, SlotRule(slot(), capacity=14, is_closed=True), choice=KEEP)

    assert closed.is_saved
    assert (await house.guest().hold(slot())).status_code == 409
    assert (await anna.confirm()).status_code == 201


async def test_fewer_seats_than_are_taken_are_refused_and_say_what_is_in_the_way(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 4))
    await anna.confirm()
    await house.guest().hold((slot(), 2))

    edited = await update(house, None, SlotRule(slot(), capacity=5), choice=KEEP)

    assert not edited.is_saved
    (found,) = edited.consequences.too_full
    assert (found.taken.slot, found.taken.booked, found.taken.held, found.capacity) == (slot(), 4, 2, 5)
    assert (await update(house, None, SlotRule(slot(), capacity=6))).is_saved


async def test_closing_a_slot_takes_no_seats_from_those_who_hold_them(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 4))
    too_few = SlotRule(slot(), is_closed=True, capacity=3)

    assert not (await update(house, None, too_few)).is_saved
    await update(house, [])
    assert not (await update(house, [], too_few)).is_saved

    assert (await anna.confirm()).status_code == 201


async def test_of_two_who_edit_at_once_the_slower_is_told(house: House) -> None:
    seen = fingerprint_of(await schedule_of(house), "yoga")
    await update(house, [typed(time(8), time(9))], seen=seen)

    with pytest.raises(Changed):
        await update(house, [typed(time(20), time(21))], seen=seen)

    assert await offered(house) == [slot_at(8)]


async def test_other_changes_of_the_site_are_in_nobody_s_way(house: House) -> None:
    seen = fingerprint_of(await schedule_of(house), "yoga")
    await house.change_settings(name="The garden")
    await update(house, None, SlotRule(slot(), is_closed=True))
    await update(house, None, SlotRule(slot()))

    assert (await update(house, [typed(time(8), time(9))], seen=seen)).is_saved


async def test_the_same_update_again_is_as_good_as_once(house: House) -> None:
    await house.guest().hold(slot())

    for _ in range(2):
        assert (await update(house, [typed(time(20), time(21))], choice=KEEP)).is_saved

    assert await offered(house) == [slot_at(20)]
    assert len((await schedule_of(house)).slot_rules) == 1


async def test_another_zone_moves_openings_and_nothing_that_is_taken(house: House) -> None:
    anna, ben = house.guest(), house.guest()
    await anna.hold((slot(), 2))
    await ben.hold((slot(number=1), 2))
    await ben.confirm()
    sites = house.parts.use_cases.sites
    owner = await sites.signed_in(await sites.sign_in(await hired(house), PASSWORD, network=NETWORK))
    assert owner is not None
    site = await house.site()

    await sites.change_settings(owner, replace(site, zone=ZoneInfo("Asia/Kathmandu")), seen=mark(site))
    house.parts.use_cases.catalog.forget("studio")

    assert slot(number=2) not in await offered(house)
    assert (await anna.confirm()).status_code == 201
    kept = (await schedule_of(house)).slot_rules
    assert {rule.slot for rule in kept} == {slot(), slot(number=1)}
    across = [each.slot for each in (await schedule_of(house)).slots_on("yoga", DAY) if not each.is_closed]
    assert all(each.ends_at <= slot().starts_at or each.starts_at >= slot(number=1).ends_at for each in across)


async def test_a_service_of_another_site_is_not_found(house: House) -> None:
    other = await house.found("other")
    await house.parts.use_cases.services.add(
        other, replace(YOGA, key="pilates"), operator_id=await operator_of(house, "other")
    )

    with pytest.raises(NotFound):
        await house.parts.use_cases.calendar.update(await house.site(), "pilates", [], [], seen="", operator_id=1)


def cut_anew(days: int) -> Iterator[Opening]:
    """Of every day the same hours, half an hour later: so each new slot lies across old ones."""
    for number in range(days):
        yield Opening("yoga", time(8, 30), time(12, 30), day=DAY + timedelta(days=number))


async def race(house: House, monkeypatch: pytest.MonkeyPatch, *, head_start_s: float) -> tuple[list[Slot], list[Slot]]:
    """Visitors want slots just when an edit has looked at what is held. Which they got, and which of these are lost.

    The edit goes on when all of them have their answer, or when their head start is over.
    """
    slots = [slot(day=day, number=number) for day in range(8) for number in range(4)]
    inspection = house.parts.use_cases.edits._inspection
    held_on, rushing = inspection.held_on, list[asyncio.Task[list[Slot]]]()

    async def in_a_rush(*looked_at: Any) -> dict[Slot, int]:
        held = await held_on(*looked_at)
        rushing.append(asyncio.create_task(hold_all(house, slots)))
        await asyncio.wait(rushing[-1:], timeout=head_start_s)
        return held

    monkeypatch.setattr(inspection, "held_on", in_a_rush)
    await update(house, list(cut_anew(8)), choice=KEEP)
    granted = [taken for rush in await asyncio.gather(*rushing) for taken in rush]
    schedule = await schedule_of(house)
    return granted, [taken for taken in granted if schedule.find(taken) is None]


async def hold_all(house: House, slots: Sequence[Slot]) -> list[Slot]:
    """Those that were granted, of visitors who want one each."""
    answers = await asyncio.gather(*(house.guest().hold(wanted) for wanted in slots))
    return [wanted for wanted, answer in zip(slots, answers, strict=True) if answer.status_code == 201]


async def test_nobody_gets_a_seat_between_the_look_and_the_change(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken_before = slot(day=3, number=2)
    await house.guest().hold(taken_before)

    _, lost = await race(house, monkeypatch, head_start_s=0.1)

    assert lost == []
    assert (await schedule_of(house)).find(taken_before) is not None


async def test_the_control_group_that_looks_before_the_gate_is_up_loses_seats(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.parts.use_cases.edits, "_scheduling", LooksFirst(house.parts.use_cases.scheduling))

    granted, lost = await race(house, monkeypatch, head_start_s=10)

    assert granted
    assert lost


class LooksFirst:
    """How it must not be done."""

    def __init__(self, scheduling: Scheduling) -> None:
        self._scheduling = scheduling

    async def change_after(self, site: Site, look: Look) -> int:
        return await self._scheduling.change(site, await look(site))
