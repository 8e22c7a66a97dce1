from datetime import date, time, timedelta

import pytest

from tests.domain.schedules import daily, schedule, service
from widget_server.domain import policies
from widget_server.domain.holds import Line
from widget_server.domain.schedule import Schedule
from widget_server.domain.slots import Slot
from widget_server.errors import InvalidRequest, NotFound, PaymentsNotSetUp, SlotClosed, TooManySeats

NINE, TEN = Slot.parse("yoga.20261121T0800Z.60"), Slot.parse("yoga.20261121T0900Z.60")
FIRST = date(2026, 11, 1)


@pytest.fixture
def offered() -> Schedule:
    services = (service("yoga", seats_max=6), service("gala", seats_max=500), service("talk", price_minor=500))
    return schedule([o for s in services for o in daily(s.key, time(0), time(0))], *services)


def test_offered_slots_come_back_in_the_order_of_the_lines(offered: Schedule) -> None:
    slots = policies.may_hold(offered, [Line(TEN, 1), Line(NINE, 6)])

    assert [o.slot for o in slots] == [TEN, NINE]
    assert [o.capacity for o in slots] == [12, 12]


def test_a_hold_without_lines_is_refused(offered: Schedule) -> None:
    with pytest.raises(InvalidRequest):
        policies.may_hold(offered, [])


def test_the_same_slot_twice_is_refused(offered: Schedule) -> None:
    with pytest.raises(InvalidRequest):
        policies.may_hold(offered, [Line(NINE, 1), Line(NINE, 1)])


def test_twenty_lines_are_held_and_not_one_more(offered: Schedule) -> None:
    slots = [o.slot for o in offered.slots_on("yoga", FIRST)]

    assert len(policies.may_hold(offered, [Line(slot, 1) for slot in slots[:20]])) == 20
    with pytest.raises(TooManySeats) as refusal:
        policies.may_hold(offered, [Line(slot, 1) for slot in slots[:21]])
    assert refusal.value.details == {"maximum": 20}


@pytest.mark.parametrize("slot_id", ["yoga.20261121T0830Z.60", "yoga.20261121T0800Z.45", "chess.20261121T0800Z.60"])
def test_a_time_that_is_not_offered_is_closed(offered: Schedule, slot_id: str) -> None:
    with pytest.raises(SlotClosed) as refusal:
        policies.may_hold(offered, [Line(NINE, 1), Line(Slot.parse(slot_id), 1)])
    assert refusal.value.details == {"slot": slot_id}


@pytest.mark.parametrize("seats", [-1, 0, 7])
def test_seats_beyond_what_the_service_sells_at_once_are_refused(offered: Schedule, seats: int) -> None:
    with pytest.raises(TooManySeats) as refusal:
        policies.may_hold(offered, [Line(NINE, seats)])
    assert refusal.value.details == {"slot": NINE.id, "maximum": 6}


def test_no_service_sells_more_than_fifty_seats_at_once(offered: Schedule) -> None:
    gala = Slot.parse("gala.20261121T0800Z.60")

    assert policies.may_hold(offered, [Line(gala, 50)])
    with pytest.raises(TooManySeats):
        policies.may_hold(offered, [Line(gala, 51)])


def test_a_priced_service_is_not_given_away_without_payments(offered: Schedule) -> None:
    with pytest.raises(PaymentsNotSetUp):
        policies.may_hold(offered, [Line(Slot.parse("talk.20261121T0800Z.60"), 1)])


@pytest.mark.parametrize("days", [0, 30])
def test_a_day_and_a_month_can_be_read(days: int) -> None:
    policies.may_read_range(FIRST, FIRST + timedelta(days=days))


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (FIRST, FIRST - timedelta(days=1)),
        (FIRST, FIRST + timedelta(days=31)),
        (date.min, date.min),
        (date(1999, 12, 31), date(2000, 1, 1)),
        (date(2199, 12, 31), date(2200, 1, 1)),
        (date.max, date.max),
    ],
)
def test_ranges_that_make_no_month_are_refused(first: date, last: date) -> None:
    with pytest.raises(InvalidRequest):
        policies.may_read_range(first, last)


def test_a_service_the_site_does_not_have_is_not_found(offered: Schedule) -> None:
    policies.service_of(offered, "yoga")

    with pytest.raises(NotFound):
        policies.service_of(offered, "chess")
