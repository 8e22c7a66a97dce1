from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from widget_server.domain.claims import VERSIONS, Claim, ClaimMoved, Diary, days_touched, seats_with_claims
from widget_server.domain.slots import Need, OfferedSlot, Seats, Slot, SlotState

TEN = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)
DAYS = (date(2026, 11, 21), date(2026, 11, 22))
PIA, QUINN = "staff/pia", "staff/quinn"
TALK = Slot("talk", TEN, TEN + timedelta(hours=1))
YESTERDAY = TEN - timedelta(days=1)


def claim(
    slot_id: str, start: int, length: int, *, seats: int = 1, ends: int | None = None, hold: str = "anna"
) -> Claim:
    """In minutes from ten o'clock on; without an end it is booked."""
    begins = TEN + timedelta(minutes=start)
    member = f"{hold}:{slot_id}:{start}:{length}:{seats}"
    frees_at = None if ends is None else TEN + timedelta(minutes=ends)
    return Claim(member, slot_id, begins, begins + timedelta(minutes=length), seats, frees_at, is_booked=ends is None)


def offered(*people: str, each: int = 2, capacity: int = 9, until: int = 60) -> OfferedSlot:
    need = Need(people, each, TEN, TEN + timedelta(minutes=until), TEN, TEN + timedelta(days=1))
    return OfferedSlot(TALK, capacity, (need,))


def test_whoever_serves_another_slot_at_the_time_serves_none_of_these_seats() -> None:
    diaries = {DAYS[0]: {PIA: Diary.of(1, [claim("lesson", 30, 60, ends=9)])}}

    seats = seats_with_claims(offered(PIA, QUINN, capacity=4), Seats(), diaries, schedule_version=1)

    assert seats == Seats(held=2, booked=0, version=VERSIONS + 1, frees_at=TEN + timedelta(minutes=9))


def test_what_ends_as_the_slot_begins_is_not_in_its_way() -> None:
    diaries = {DAYS[0]: {PIA: Diary.of(2, [claim("lesson", -30, 30), claim("lesson", 60, 30)])}}

    assert seats_with_claims(offered(PIA, capacity=2), Seats(), diaries, schedule_version=1).taken == 0


def test_somebody_serves_one_slot_for_several_holds() -> None:
    diaries = {DAYS[0]: {PIA: Diary.of(2, [claim(TALK.id, 0, 60, ends=9), claim(TALK.id, 0, 60, hold="ben")])}}

    seats = seats_with_claims(offered(PIA, each=3, capacity=3), Seats(1, 1, 4), diaries, schedule_version=2)

    assert (seats.held, seats.booked, seats.version) == (1, 1, 2 * VERSIONS + 6)


def test_seats_of_the_slot_itself_count_where_people_are_plenty() -> None:
    one = offered(PIA, QUINN, capacity=3)

    assert one.left(seats_with_claims(one, Seats(1, 1, 4), {}, schedule_version=1)) == 1


def test_what_is_booked_elsewhere_is_full_and_what_is_held_elsewhere_is_not() -> None:
    one = offered(PIA, capacity=2)
    booked, held = ({DAYS[0]: {PIA: Diary.of(1, [claim("lesson", 0, 30, ends=end)])}} for end in (None, 9))

    states = [one.state(seats_with_claims(one, Seats(), of, schedule_version=1), YESTERDAY) for of in (booked, held)]

    assert states == [SlotState.FULL, SlotState.HELD]


def test_a_claim_in_two_diaries_counts_once() -> None:
    night = claim(TALK.id, 0, 180, seats=1, ends=9)
    diaries = {day: {PIA: Diary.of(1, [night])} for day in DAYS}
    one = offered(PIA, each=3, capacity=3, until=180)

    assert days_touched(one.needs[0]) == DAYS
    assert one.left(seats_with_claims(one, Seats(), diaries, schedule_version=1)) == 2


def test_a_diary_takes_each_change_once() -> None:
    held = claim("lesson", 0, 30, ends=9)
    first = ClaimMoved(PIA, DAYS[0], 1, held, is_gone=False)
    gone = ClaimMoved(PIA, DAYS[0], 2, held, is_gone=True)

    diary = Diary().after(first)

    assert diary == Diary.of(1, [held])
    assert diary.after(first) is diary
    assert diary.after(gone) == Diary.of(2, [])
    assert diary.after(gone).after(first) == Diary.of(2, [])


_CLAIMS = st.lists(
    st.builds(
        claim,
        st.sampled_from([TALK.id, "lesson", "massage"]),
        st.integers(-90, 90),
        st.integers(5, 90),
        seats=st.integers(1, 2),
        ends=st.one_of(st.none(), st.integers(1, 30)),
        hold=st.sampled_from(["anna", "ben", "carla", "dora"]),
    ),
    max_size=4,
)


@settings(deadline=None)
@given(_CLAIMS, _CLAIMS, st.integers(1, 3), st.integers(0, 5), st.integers(0, 5), st.integers(1, 6))
def test_capacity_is_booked_and_held_and_left_and_no_claim_ever_adds_to_it(
    of_pia: list[Claim], of_quinn: list[Claim], each: int, held: int, booked: int, capacity: int
) -> None:
    one, own = offered(PIA, QUINN, each=each, capacity=capacity), Seats(held, booked, 1)
    diaries = {DAYS[0]: {PIA: Diary.of(1, of_pia), QUINN: Diary.of(1, of_quinn)}}

    seats = seats_with_claims(one, own, diaries, schedule_version=1)
    fewer = seats_with_claims(one, own, {DAYS[0]: {PIA: Diary.of(1, of_pia[1:])}}, schedule_version=1)

    assert seats.held >= 0
    assert seats.held + seats.booked + one.left(seats) == capacity
    assert one.left(seats) <= one.left(fewer) <= max(0, min(capacity - held - booked, 2 * each))
    assert (seats.frees_at is None) or seats.held > 0
