"""Over a thousand bookings the work is spread fairly among all on shift, and nobody can foresee who comes next."""

import random
from collections import Counter
from dataclasses import replace
from datetime import date, time, timedelta

import pytest

from tests.domain.schedules import by_shift, crew, daily, member, schedule
from tests.engine.box import YOGA, Box
from tests.engine.test_claims import claims
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.holds import Line
from widget_server.domain.schedule import Schedule, Shift
from widget_server.domain.slots import OfferedSlot

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("redis_url", ["valkey"], indirect=True)]

PEOPLE = ("ines", "juri", "kira", "liam", "mona", "nils", "olga")
DAYS, SLOTS_A_DAY = 25, 40
FIRST_DAY = YOGA.starts_at.date() + timedelta(days=1)


def rota(starts: time = time(8), ends: time = time(18), *, length_min: int = 15) -> Schedule:
    """Seven people with equal shifts, every day, in one service of forty slots a day, unless told otherwise."""
    shifts = [Shift(name, starts, ends, weekday=weekday) for name in PEOPLE for weekday in range(7)]
    bare = schedule(daily("talk", starts, ends), by_shift(length_min=length_min))
    return replace(bare, staff=crew(*(member(name) for name in PEOPLE)), shifts=tuple(shifts))


def shuffled(day: date, times: int = 1, of: Schedule | None = None) -> list[OfferedSlot]:
    slots = [*(of or rota()).slots_on("talk", day)] * times
    random.Random(day.toordinal()).shuffle(slots)  # noqa: S311 - the order in which customers come, not who serves
    return slots


class Desk:
    """Takes bookings, and writes down who serves how many of a day."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._booked: Counter[OfferedSlot] = Counter()
        box.capacity = len(PEOPLE)

    async def book(self, offered: OfferedSlot) -> str:
        """Who serves it."""
        self._booked[offered] += 1
        number = self._booked[offered]
        name = f"{offered.slot.starts_at:%Y%m%dT%H%M}-{number}"
        self._box.needs[offered.slot] = offered.needs
        pin = await self._box.hold_and_pin(name, Line(offered.slot, 1))
        await self._box.commit(name, BookedSeats(offered.slot, number, number), fence=pin.fence)
        (claimed,) = await claims(self._box, name)
        return claimed.removeprefix("staff/")


async def test_of_a_thousand_bookings_of_a_day_nobody_ever_has_more_than_one_more_than_another(box: Box) -> None:
    """Each at a minute of its own, so that all seven are free for each of them."""
    desk, counts = Desk(box), dict.fromkeys(PEOPLE, 0)
    bookings = shuffled(FIRST_DAY, of=rota(time(7), time(23, 40), length_min=1))
    served: list[str] = []

    for offered in bookings:
        served.append(await desk.book(offered))
        counts[served[-1]] += 1
        assert max(counts.values()) - min(counts.values()) <= 1

    assert len(served) == 1000
    rounds = [tuple(served[first : first + len(PEOPLE)]) for first in range(0, 994, len(PEOPLE))]
    # Seven people come in 5,040 orders: of 142 rounds about two are like another one.
    assert len(set(rounds)) > 130


async def test_each_day_begins_anew_and_with_somebody_else(box: Box) -> None:
    desk = Desk(box)
    firsts, orders = Counter[str](), set[tuple[str, ...]]()

    for number in range(DAYS):
        served: list[str] = []
        for offered in shuffled(FIRST_DAY + timedelta(days=number))[: 2 * len(PEOPLE)]:
            served.append(await desk.book(offered))
            counts = Counter(served)
            assert max(counts.values()) - min(counts[name] for name in PEOPLE) <= 1
        firsts[served[0]] += 1
        orders.add(tuple(served[: len(PEOPLE)]))

    # Of 25 days hardly two are alike, and never do most days begin alike.
    assert len(orders) >= DAYS - 3
    assert len(firsts) >= 3


async def test_the_next_is_always_one_of_the_free_with_the_fewest_also_when_slots_fill_up(box: Box) -> None:
    desk, counts = Desk(box), dict.fromkeys(PEOPLE, 0)
    busy: set[tuple[OfferedSlot, str]] = set()

    for offered in shuffled(FIRST_DAY, times=len(PEOPLE)):
        free = [name for name in PEOPLE if (offered, name) not in busy]
        chosen = await desk.book(offered)
        assert chosen in free
        assert counts[chosen] == min(counts[name] for name in free)
        counts[chosen] += 1
        busy.add((offered, chosen))

    assert counts == dict.fromkeys(PEOPLE, SLOTS_A_DAY)


async def test_the_same_customers_in_the_same_order_are_served_by_others_the_next_time(box: Box) -> None:
    """Each of the days has the same slots and bookings; what differs is the lot."""
    desk = Desk(box)

    days = [
        tuple([await desk.book(offered) for offered in rota().slots_on("talk", FIRST_DAY + timedelta(days=number))[:7]])
        for number in range(10)
    ]

    assert len(set(days)) >= 8
