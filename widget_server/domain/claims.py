"""The only place that says what is left of a slot whose people, or rooms, may be taken by other slots as well.

What somebody serves stands in their *diary*, one for each day of UTC. A slot that needs somebody has, beside its own
seats, as much room as those on its roster have left in their diaries. The engine decides by the same rule, in
lua/lib/room_with.lua; `tests/engine/test_claims_left.py` holds one against the other.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from widget_server.domain.slots import Need, OfferedSlot, Seats, Slot

VERSIONS = 2**32
"""So many changes has a slot room for under one version of the schedule, and a browser counts to 2 to the 53."""

_MIDNIGHT, _ONE_DAY = datetime.min.time(), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody serves some seats of a slot, for a hold or for the booking that it became."""

    member: str
    """What stands in the diary: the same claim is the same text, in each diary that it stands in."""
    slot_id: str
    busy_from: datetime
    busy_until: datetime
    """Buffers included."""
    seats: int
    frees_at: datetime | None
    """When the hold ends; None while its customer is paying, and for a booking."""
    is_booked: bool


@dataclass(frozen=True, slots=True)
class Assignment:
    """Somebody, or something, serves some seats of a booking. It is named by hold and slot, and freed once for all."""

    hold_id: str
    """Under which the seats were taken: that of the order, or of its last move."""
    claimed: str
    slot: Slot
    busy_from: datetime
    busy_until: datetime
    """Buffers included."""
    seats: int
    is_freed: bool = False


@dataclass(frozen=True, slots=True)
class ClaimMoved:
    """A change of one diary: the claim as it is now, or that it is gone."""

    claimed: str
    day: date
    count: int
    """The how manyth change of this diary it is."""
    claim: Claim
    is_gone: bool


@dataclass(frozen=True, slots=True)
class Diary:
    """Who is in it does not matter: their claims on one day of UTC, the earliest first, after so many changes."""

    count: int = 0
    claims: tuple[Claim, ...] = ()
    begins: tuple[datetime, ...] = ()
    """Of each of them."""
    longest: timedelta = timedelta(0)
    """No claim takes longer."""

    @staticmethod
    def of(count: int, claims: Iterable[Claim]) -> "Diary":
        in_order = tuple(sorted(claims, key=_begin))
        longest = max((claim.busy_until - claim.busy_from for claim in in_order), default=timedelta(0))
        return Diary(count, in_order, tuple([claim.busy_from for claim in in_order]), longest)

    def after(self, moved: ClaimMoved) -> "Diary":
        """With one more change; one that it knows already changes nothing."""
        if moved.count <= self.count:
            return self
        claims = [claim for claim in self.claims if claim.member != moved.claim.member]
        if not moved.is_gone:
            claims.append(moved.claim)
        return Diary.of(moved.count, claims)

    def touched(self, need: Need) -> list[Claim]:
        """The claims that have an instant in common with this need."""
        first = bisect_right(self.begins, need.busy_from - self.longest)
        until = bisect_left(self.begins, need.busy_until)
        return [claim for claim in self.claims[first:until] if claim.busy_until > need.busy_from]


NO_CLAIMS = Diary()

Diaries = Mapping[date, Mapping[str, Diary]]
"""By day of UTC, then by name; one that is missing is empty."""


def days_touched(need: Need) -> tuple[date, ...]:
    """The days of UTC in whose diaries a claim for this need stands."""
    first = need.busy_from.astimezone(UTC).date()
    ends = datetime.combine(first, _MIDNIGHT, UTC) + _ONE_DAY
    days = [first]
    while ends < need.busy_until:
        days.append(ends.date())
        ends += _ONE_DAY
    return tuple(days)


def touches(claim: Claim, need: Need) -> bool:
    """Whether they have an instant in common."""
    return claim.busy_from < need.busy_until and claim.busy_until > need.busy_from


def seats_with_claims(offered: OfferedSlot, seats: Seats, diaries: Diaries, *, schedule_version: int) -> Seats:
    """The seats of a slot that needs somebody, as a visitor is to see them: held and booked, so that the rest is left.

    Booked is also what nobody is there to serve, as they are booked elsewhere; held also what would be left if no hold
    anywhere had claimed anybody. Nothing in it says where a seat went.

    The version counts all changes of which it is made: those of the slot's own seats and of the diaries of its roster.
    Each of them only rises, so whoever knows more of them has the higher sum. Another schedule may have another
    roster, therefore its version counts before all others.
    """
    version = schedule_version * VERSIONS + seats.version
    left, left_at_last = offered.capacity - seats.taken, offered.capacity - seats.booked
    ends = [seats.frees_at] if seats.frees_at else []
    for need in offered.needs:
        of_days = [diaries[day] for day in days_touched(need) if day in diaries]
        room = room_at_last = len(need.candidates) * need.seats_each
        for name in need.candidates:
            claims: list[Claim] = []
            for of_day in of_days:
                if (diary := of_day.get(name)) is not None:
                    version += diary.count
                    claims += diary.touched(need)
            if claims:
                now, later = _taken(offered.slot.id, need, claims, ends)
                room -= now
                room_at_last -= later
        left, left_at_last = min(left, room), min(left_at_last, room_at_last)
    left = max(0, left)
    left_at_last = max(left, left_at_last)
    frees_at = min(ends, default=None) if left_at_last > left else None
    return Seats(left_at_last - left, offered.capacity - left_at_last, version, frees_at)


def _taken(slot_id: str, need: Need, claims: Sequence[Claim], ends: list[datetime]) -> tuple[int, int]:
    """How many of the seats that one of them could serve are taken, and how many of those by bookings.

    A claim over midnight stands in two diaries.
    """
    now = later = 0
    for claim in {claim.member: claim for claim in claims}.values() if len(claims) > 1 else claims:
        taken = claim.seats if claim.slot_id == slot_id else need.seats_each
        now += taken
        if claim.is_booked:
            later += taken
        elif claim.frees_at is not None:
            ends.append(claim.frees_at)
    return min(now, need.seats_each), min(later, need.seats_each)


def _begin(claim: Claim) -> datetime:
    return claim.busy_from
