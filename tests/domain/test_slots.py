from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from widget_server.domain.slots import MINUTES_MAX, UNTOUCHED, OfferedSlot, Seats, Slot, SlotState

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
YOGA = OfferedSlot(Slot("yoga", NOON, NOON + timedelta(hours=1)), capacity=3)
BEFORE = NOON - timedelta(minutes=1)


def test_a_slot_id_says_service_start_and_length() -> None:
    assert YOGA.slot.id == "yoga.20261121T1200Z.60"


@settings(deadline=None)
@given(
    st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", fullmatch=True),
    st.datetimes(datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2199-12-31T23:59")),
    st.integers(1, MINUTES_MAX),
)
def test_a_slot_is_read_back_from_its_id(service: str, starts: datetime, minutes: int) -> None:
    starts_at = starts.replace(second=0, microsecond=0, tzinfo=UTC)
    slot = Slot(service, starts_at, starts_at + timedelta(minutes=minutes))

    assert Slot.parse(slot.id) == slot


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "yoga",
        "yoga.20261121T1200Z",
        "yoga.20261121T1200.60",
        "yoga.20261121T1200Z.60 ",
        "yoga.20261121T1200Z.60\n",
        "yoga.20261121T1200Z.0",
        "yoga.20261121T1200Z.060",
        "yoga.20261121T1200Z.10081",
        "yoga.20261121T1200Z.-60",
        "yoga.20261121T2400Z.60",
        "yoga.20261121T1260Z.60",
        "yoga.20261321T1200Z.60",
        "yoga.20260229T1200Z.60",
        "yoga.00010101T0000Z.60",
        "yoga.99991231T2359Z.60",
        "Yoga.20261121T1200Z.60",
        "yo:ga.20261121T1200Z.60",
        "y.oga.20261121T1200Z.60",
        "yoga.\u0662\u0660261121T1200Z.60",
        f"{'y' * 65}.20261121T1200Z.60",
        ".20261121T1200Z.60",
    ],
)
def test_junk_is_no_slot_id(junk: str) -> None:
    with pytest.raises(ValueError, match=r"not a slot id|must be in|out of range"):
        Slot.parse(junk)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_whatever_is_read_as_a_slot_was_written_by_one(text: str) -> None:
    try:
        slot = Slot.parse(text)
    except ValueError:
        return
    assert slot.id == text


@pytest.mark.parametrize(
    ("seats", "left", "state"),
    [
        (UNTOUCHED, 3, SlotState.OPEN),
        (Seats(held=1, booked=1), 1, SlotState.OPEN),
        (Seats(held=1, booked=2), 0, SlotState.HELD),
        (Seats(held=3), 0, SlotState.HELD),
        (Seats(booked=3), 0, SlotState.FULL),
        (Seats(booked=5), 0, SlotState.FULL),
    ],
)
def test_state_and_seats_left_follow_from_what_is_taken(seats: Seats, left: int, state: SlotState) -> None:
    assert YOGA.left(seats) == left
    assert YOGA.state(seats, BEFORE) is state


@pytest.mark.parametrize("seats", [UNTOUCHED, Seats(held=3), Seats(booked=3)])
def test_a_slot_is_closed_from_the_moment_it_starts(seats: Seats) -> None:
    assert YOGA.state(seats, BEFORE) is not SlotState.CLOSED
    assert YOGA.state(seats, NOON) is SlotState.CLOSED


def test_a_slot_is_closed_before_its_horizon_and_from_its_notice_on() -> None:
    minute = timedelta(minutes=1)
    limited = replace(YOGA, bookable_from=NOON - timedelta(days=2), bookable_until=NOON - timedelta(hours=1))

    assert limited.state(UNTOUCHED, NOON - timedelta(days=2) - minute) is SlotState.CLOSED
    assert limited.state(UNTOUCHED, NOON - timedelta(days=2)) is SlotState.OPEN
    assert limited.state(UNTOUCHED, NOON - timedelta(hours=1) - minute) is SlotState.OPEN
    assert limited.state(UNTOUCHED, NOON - timedelta(hours=1)) is SlotState.CLOSED


def test_a_slot_that_is_closed_is_closed_to_all_whatever_is_left_of_it() -> None:
    closed = replace(YOGA, is_closed=True)

    assert closed.state(UNTOUCHED, BEFORE) is SlotState.CLOSED
    assert closed.left(UNTOUCHED) == 3
