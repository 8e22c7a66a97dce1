"""Who serves a slot is claimed with its seats: nobody is in two places at once, and the work is spread fairly."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.engine.box import HOLD_LENGTH, LATE_YOGA, MASSAGE, YOGA, Box, Recorded, site, slot
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.claims import Assignment
from widget_server.domain.events import SeatsMoved
from widget_server.domain.holds import Line
from widget_server.domain.orders import Claimed
from widget_server.domain.slots import Need, Slot
from widget_server.engine import calls, kept, keys
from widget_server.errors import HoldEnded, SlotFull

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("only_declared")]

PIA, QUINN, ROOM = "staff/pia", "staff/quinn", "room/blue"
SOON_AFTER = Slot("massage", YOGA.ends_at, YOGA.ends_at + timedelta(minutes=30))
BESIDE = Slot("massage", YOGA.starts_at + timedelta(minutes=30), YOGA.ends_at + timedelta(minutes=30))
"""Overlaps yoga by half an hour."""


def by(
    *people: str, of: Slot, seats: int = 1, before: timedelta = timedelta(0), after: timedelta = timedelta(0)
) -> tuple[Need, ...]:
    midnight = datetime.combine(of.starts_at.date(), datetime.min.time(), UTC)
    return (Need(people, seats, of.starts_at - before, of.ends_at + after, midnight, midnight + timedelta(days=1)),)


def serve(box: Box, *people: str, seats: int = 1, slots: Sequence[Slot] = (YOGA, BESIDE, SOON_AFTER)) -> None:
    box.capacity = 100
    for one in slots:
        box.needs[one] = by(*people, of=one, seats=seats)


async def claims(box: Box, name: str) -> dict[str, int]:
    """Who serves how many seats of a hold."""
    of_site = keys.of_site(box.site.partition, box.site.key)
    (fields,) = await box.connection.read(("HMGET", of_site.hold(name), *kept.HOLD_FIELDS))
    found = kept.kept_hold(box.site.key, name, fields)
    assert found is not None
    return {claim.claimed: claim.seats for claim in found.claims}


async def diary(box: Box, claimed: str, of: Slot = YOGA) -> list[str]:
    """Whose claims stand in somebody's diary on that day, live or not."""
    key = keys.of_site(box.site.partition, box.site.key).diary(claimed, of.starts_at.date())
    (members,) = await box.connection.read(("ZRANGE", key, 0, -1))
    return [member.partition(":")[0] for member in members if member != "#"]


async def test_one_person_serves_one_of_two_overlapping_slots_of_two_services(box: Box) -> None:
    serve(box, PIA)
    await box.hold("anna", YOGA)

    with pytest.raises(SlotFull) as refused:
        await box.hold("ben", BESIDE)
    assert refused.value.details == {"slot": BESIDE.id, "left": 0}
    await box.hold("carla", SOON_AFTER)  # it begins as the other ends
    assert await claims(box, "carla") == {PIA: 1}


async def test_buffers_keep_a_person_for_longer_than_the_slot(box: Box) -> None:
    box.needs[YOGA] = by(PIA, of=YOGA, after=timedelta(minutes=10))
    box.needs[SOON_AFTER] = by(PIA, of=SOON_AFTER)
    await box.hold("anna", YOGA)

    with pytest.raises(SlotFull):
        await box.hold("ben", SOON_AFTER)


async def test_one_person_serves_as_many_seats_of_one_slot_as_they_can(box: Box) -> None:
    serve(box, PIA, QUINN, seats=3)
    await box.hold("anna", Line(YOGA, 2))
    await box.hold("ben", Line(YOGA, 2))

    (first,) = await claims(box, "anna")
    assert (await claims(box, "ben"))[first] == 1  # who serves the slot already is filled up first
    await box.hold("carla", Line(YOGA, 2))
    with pytest.raises(SlotFull) as refused:
        await box.hold("dora", YOGA)
    assert refused.value.details["left"] == 0


async def test_many_seats_claim_many_people(box: Box) -> None:
    serve(box, PIA, QUINN, "staff/rosa", seats=2)

    await box.hold("anna", Line(YOGA, 5))

    assert sorted((await claims(box, "anna")).values()) == [1, 2, 2]
    with pytest.raises(SlotFull) as refused:
        await box.hold("ben", Line(YOGA, 2))
    assert refused.value.details["left"] == 1


async def test_a_room_is_claimed_like_a_person_and_together_with_one(box: Box) -> None:
    for one in (YOGA, BESIDE):
        box.needs[one] = (*by(PIA, QUINN, of=one), *by(ROOM, of=one))
    await box.hold("anna", YOGA)

    assert (await claims(box, "anna")).keys() > {ROOM}
    with pytest.raises(SlotFull):
        await box.hold("ben", BESIDE)
    assert await diary(box, PIA) + await diary(box, QUINN) == ["anna"]  # all needs are met, or nobody is claimed


async def test_lines_of_one_hold_do_not_share_a_person_at_the_same_time(box: Box) -> None:
    serve(box, PIA)

    with pytest.raises(SlotFull):
        await box.hold("anna", YOGA, BESIDE)
    await box.hold("anna", YOGA, SOON_AFTER)
    assert await diary(box, PIA) == ["anna", "anna"]


async def test_a_person_is_free_again_when_the_hold_ends_however_it_ends(box: Box) -> None:
    serve(box, PIA)
    await box.hold("anna", YOGA)
    await box.release("anna")
    await box.hold("ben", BESIDE)
    await box.advance(HOLD_LENGTH)
    await box.hold("carla", YOGA)  # nobody has swept ben's hold
    await box.sweep()
    assert await diary(box, PIA) == ["carla"]
    await box.unpin("carla", fence=(await box.pin("carla")).fence, release=True)

    assert await diary(box, PIA) == []


async def test_renewing_and_paying_keep_the_person(box: Box) -> None:
    serve(box, PIA)
    hold = await box.hold("anna", YOGA)
    await box.advance(HOLD_LENGTH / 2)
    await box.renew("anna", version=hold.version)
    await box.advance(HOLD_LENGTH / 2)
    with pytest.raises(SlotFull):
        await box.hold("ben", BESIDE)
    pin = await box.pin("anna")
    await box.advance(HOLD_LENGTH * 5)
    with pytest.raises(SlotFull):
        await box.hold("ben", BESIDE)
    await box.commit("anna", BookedSeats(YOGA, 1, 1), fence=pin.fence)

    with pytest.raises(SlotFull):
        await box.hold("ben", BESIDE)
    await box.unpin("anna", fence=pin.fence)  # too late: it is a booking
    assert await diary(box, PIA) == ["anna"]


async def test_a_hold_whose_claims_are_others_by_now_is_not_booked_with_those_that_were_read(box: Box) -> None:
    """As where another server takes over in between, and whoever pays is given somebody else there."""
    serve(box, PIA, QUINN)
    await box.hold("anna", YOGA)
    pin = await box.pin("anna")
    of_hold = keys.of_site("tenuto", box.site.key).hold("anna")
    (fields,) = await box.connection.read(("HMGET", of_hold, *kept.HOLD_FIELDS))
    before = kept.kept_hold(box.site.key, "anna", fields)
    assert before is not None
    of_another = replace(
        before, claims_text=before.claims_text.replace(PIA, "?").replace(QUINN, PIA).replace("?", QUINN)
    )
    booked = [BookedSeats(YOGA, 1, 1)]

    for read in (of_another, replace(before, claims_text="")):
        call = calls.commit(box.site, read, fence=pin.fence, booked=booked)
        assert await box.connection.run(call) == ["MOVED"]
    await box.commit("anna", *booked, fence=pin.fence)

    assert sorted(await diary(box, PIA) + await diary(box, QUINN)) == ["anna"]


async def test_whoever_is_booked_stays_so_when_a_hold_of_the_same_name_lives_on_and_ends(box: Box) -> None:
    """As where an older Redis is back: it has the hold that became the booking, and the store says who serves it."""
    serve(box, PIA)
    hold = await box.hold("anna", YOGA)
    await box.engine.assign(box.site, [Assignment("anna", PIA, YOGA, YOGA.starts_at, YOGA.ends_at, 1)])
    await box.advance(HOLD_LENGTH / 2)
    await box.renew("anna", version=hold.version)
    await box.unpin("anna", fence=(await box.pin("anna")).fence)
    await box.release("anna")

    assert await diary(box, PIA) == ["anna"]
    with pytest.raises(SlotFull):
        await box.hold("ben", BESIDE)


async def test_a_hold_that_goes_back_from_paying_keeps_its_person_until_its_deadline(box: Box) -> None:
    serve(box, PIA)
    await box.hold("anna", YOGA)
    await box.unpin("anna", fence=(await box.pin("anna")).fence)
    with pytest.raises(SlotFull):
        await box.hold("ben", BESIDE)
    await box.advance(HOLD_LENGTH)

    await box.hold("ben", BESIDE)


async def test_who_pays_too_late_is_served_by_whoever_is_free(box: Box) -> None:
    serve(box, PIA, QUINN)
    await box.hold("anna", YOGA)
    (first,) = await claims(box, "anna")
    await box.advance(HOLD_LENGTH)
    box.needs[BESIDE] = by(first, of=BESIDE)
    await box.hold("ben", BESIDE)

    await box.pin("anna")

    assert await claims(box, "anna") == {PIA if first == QUINN else QUINN: 1}
    assert await diary(box, first) == ["ben"]


async def test_who_pays_too_late_for_anybody_to_serve_is_refused_and_nothing_changes(box: Box) -> None:
    serve(box, PIA)
    await box.hold("anna", YOGA)
    await box.advance(HOLD_LENGTH)
    await box.hold("ben", BESIDE)

    with pytest.raises(SlotFull):
        await box.pin("anna")
    assert (await box.seats(BESIDE)).held == 1


async def test_a_changed_hold_is_served_anew_and_does_not_stand_in_its_own_way(box: Box) -> None:
    serve(box, PIA)
    await box.hold("anna", YOGA)

    await box.change("anna", BESIDE)

    assert await diary(box, PIA) == ["anna"]
    with pytest.raises(SlotFull):
        await box.hold("ben", YOGA)


async def test_an_order_that_moves_does_not_stand_in_its_own_way(box: Box) -> None:
    serve(box, PIA)
    await box.hold("anna", YOGA)
    await box.commit("anna", BookedSeats(YOGA, 1, 1), fence=(await box.pin("anna")).fence)
    with pytest.raises(SlotFull):
        await box.hold_and_pin("anna-later", Line(BESIDE, 1))

    once = await box.hold_and_pin("anna-later", Line(BESIDE, 1), instead_of=[Claimed("anna", YOGA)])

    assert await claims(box, "anna-later") == {PIA: 1}
    again = await box.hold_and_pin("anna-later", Line(BESIDE, 1), instead_of=[Claimed("anna", YOGA)])
    assert again.fence == once.fence


async def test_whoever_is_claimed_for_a_slot_that_the_store_has_not_booked_is_free_again(box: Box) -> None:
    serve(box, PIA)
    await box.hold("anna", YOGA, SOON_AFTER)
    pin = await box.pin("anna")

    await box.commit("anna", BookedSeats(SOON_AFTER, 1, 1), fence=pin.fence)

    with pytest.raises(SlotFull):
        await box.hold("ben", SOON_AFTER)
    await box.hold("carla", YOGA)


async def test_what_stays_of_an_order_keeps_its_person_while_the_rest_moves(box: Box) -> None:
    serve(box, PIA)
    await box.hold("anna", YOGA, SOON_AFTER)
    await box.pin("anna")

    with pytest.raises(SlotFull):  # pia serves what stays at that time
        await box.hold_and_pin("anna-later", Line(BESIDE, 1), instead_of=[Claimed("anna", YOGA)])
    both = [Claimed("anna", YOGA), Claimed("anna", SOON_AFTER)]
    assert (await box.hold_and_pin("anna-much-later", Line(BESIDE, 1), instead_of=both)).fence == 1


async def test_a_hold_taken_and_paid_in_one_go_keeps_its_person(box: Box) -> None:
    serve(box, PIA)
    await box.hold_and_pin("anna", Line(YOGA, 1))
    await box.advance(HOLD_LENGTH * 5)

    with pytest.raises(SlotFull):
        await box.hold("ben", BESIDE)


async def test_over_midnight_a_person_is_busy_on_both_days(box: Box) -> None:
    late = datetime.combine(YOGA.starts_at.date(), datetime.min.time(), UTC) + timedelta(hours=23, minutes=30)
    night = Slot("massage", late, late + timedelta(hours=1))
    early = Slot("yoga", late + timedelta(minutes=45), late + timedelta(minutes=105))
    serve(box, PIA, slots=(night, early))
    await box.hold("anna", night)

    with pytest.raises(SlotFull):
        await box.hold("ben", early)
    await box.release("anna")
    await box.hold("ben", early)
    assert await diary(box, PIA, night) == []


async def test_whoever_has_the_fewest_bookings_of_the_day_comes_first(box: Box) -> None:
    people = (PIA, QUINN, "staff/rosa")
    served: Counter[str] = Counter()
    box.capacity = 1
    for number in range(12):
        one = slot(hour=number)
        midnight = YOGA.starts_at - timedelta(hours=12)
        box.needs[one] = (Need(people, 1, one.starts_at, one.ends_at, midnight, midnight + timedelta(days=2)),)
        await box.hold(f"visitor-{number}", one)
        served.update(await claims(box, f"visitor-{number}"))
        assert max(served.values()) - min(served[person] for person in people) <= 1

    assert served == dict.fromkeys(people, 4)


async def test_ties_are_not_predictable(box: Box) -> None:
    first: set[str] = set()
    for number in range(40):
        one = slot(day=number)
        serve(box, PIA, QUINN, slots=(one,))
        await box.hold(f"visitor-{number}", one)
        first |= (await claims(box, f"visitor-{number}")).keys()

    assert first == {PIA, QUINN}


async def test_nobody_is_in_two_places_though_many_ask_at_once(box: Box) -> None:
    people = (PIA, QUINN, "staff/rosa")
    serve(box, *people)

    answers = await asyncio.gather(
        *(box.hold(f"visitor-{number}", BESIDE if number % 2 else YOGA) for number in range(40)),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, SlotFull) for answer in answers) == 37
    assert [len(await diary(box, person)) for person in people] == [1, 1, 1]
    await box.counts_are_right()


async def test_a_claim_of_a_hold_that_ended_is_nobodys(box: Box) -> None:
    serve(box, PIA, slots=(YOGA, LATE_YOGA, MASSAGE))
    await box.hold("anna", YOGA)
    await box.advance(HOLD_LENGTH)
    await box.sweep()

    assert await diary(box, PIA) == []
    with pytest.raises(HoldEnded):
        await box.change("anna", LATE_YOGA)


async def test_nothing_stays_of_the_diary_of_a_day_that_was_over_a_week_ago(box: Box) -> None:
    """As where a payment takes longer than that to come."""
    long_ago = Slot("yoga", YOGA.starts_at - timedelta(days=30), YOGA.ends_at - timedelta(days=30))

    await box.engine.assign(box.site, [Assignment("anna", PIA, long_ago, long_ago.starts_at, long_ago.ends_at, 1)])

    (there,) = await box.connection.read(
        ("EXISTS", keys.of_site(box.site.partition, box.site.key).diary(PIA, long_ago.starts_at.date()))
    )
    assert there == 0


async def test_each_diary_is_read_once_however_many_lines_ask_who_is_free(box: Box) -> None:
    """Else one hold of many lines keeps all others waiting: lines times people times what each of them has to do."""
    slots = [slot("massage", hour=hour) for hour in range(1, 7)]
    serve(box, PIA, QUINN, slots=slots)
    await box.hold("anna", slots[0])

    await box.connection.read(("CONFIG", "RESETSTAT"))
    await box.hold("ben", *slots)
    (stats,) = await box.connection.read(("INFO", "commandstats"))
    days = len({one.starts_at.date() for one in slots})
    assert f"zrangebyscore:calls={2 * days}," in stats
    assert len(await diary(box, PIA, slots[1])) + len(await diary(box, QUINN, slots[1])) > 1


async def test_a_site_may_have_any_name(connection: Recorded) -> None:
    """Also one that stands in the keys of diaries."""
    await connection.read(("FLUSHALL",))
    box = Box(connection, site("diary"))
    await box.fill()
    serve(box, PIA)
    await box.hold("anna")

    (held,) = await box.feed.tail("tenuto", 1)
    assert isinstance(held, SeatsMoved)
    assert [moved.claimed for moved in held.claims] == [PIA]
