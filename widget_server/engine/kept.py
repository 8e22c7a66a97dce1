"""The only place that reads what scripts keep in Redis: holds, seats, the clock and the gate."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple

from widget_server.clock import from_ms, to_ms
from widget_server.domain import claims
from widget_server.domain.claims import Assignment, ClaimMoved, Diary
from widget_server.domain.holds import Hold, HoldState, Line
from widget_server.domain.slots import Seats, Slot
from widget_server.engine.wire import Reply, Word

_EPOCH, _DAY_MS = date(1970, 1, 1), 86_400_000
COUNT = "#"
"""The member of a diary whose score says how often it has changed."""
BOOKED = 4_000_000_000_000_000
"""The score of a booking's claim, as lua/commit.lua writes it."""
_MEMBER = re.compile(r"[^:; ]+:([^:; ]+):(\d{1,15}):(\d{1,15}):(\d{1,9})")
CLOCK_FIELDS = ("offset", "seen")
GATE_FIELDS = ("epoch", "state", "schedule")
INSTANTS_KEPT = 64
"""Of all holds that are granted in the same millisecond, most tell the same instants."""
DUE_FIELDS = ("lines", "claims", "visitor", "network")
HOLD_FIELDS = (
    *("state", "secret", "lines", "deadline", "limit", "version"),
    *("visitor", "network", "fence", "resolve_by", "claims", "attempt"),
)


@dataclass(frozen=True, slots=True)
class Claim:
    """Who or what serves some seats of a slot, and how long that takes, buffers included."""

    claimed: str
    slot_id: str
    from_ms: int
    until_ms: int
    seats: int

    @property
    def days(self) -> tuple[date, ...]:
        """The UTC days that it touches."""
        return days_of(self.from_ms, self.until_ms)

    @property
    def text(self) -> str:
        """As a hold keeps it."""
        return f"{self.claimed}:{self.slot_id}:{self.from_ms}:{self.until_ms}:{self.seats}"

    def entries(self, hold_id: str) -> list["DiaryEntry"]:
        """Where it stands, if it is of this hold, or of the booking that it became."""
        member = f"{hold_id}:{self.slot_id}:{self.from_ms}:{self.until_ms}:{self.seats}"
        return [DiaryEntry(self.claimed, day, member) for day in self.days]


class DiaryEntry(NamedTuple):
    """Where a claim stands, or should: in somebody's diary of one day of UTC."""

    claimed: str
    day: date
    member: str

    @property
    def hold_id(self) -> str:
        return self.member.partition(":")[0]

    @property
    def claim(self) -> Claim | None:
        """None where it cannot be read, or touches another day only: nobody could have written it."""
        found = _MEMBER.fullmatch(self.member)
        if found is None:
            return None
        claim = Claim(self.claimed, found[1], int(found[2]), int(found[3]), int(found[4]))
        day = (self.day - _EPOCH).days
        return claim if claim.from_ms // _DAY_MS <= day <= (claim.until_ms - 1) // _DAY_MS else None


class DueHold(NamedTuple):
    """What it takes to end a hold, as it stood in Redis a moment ago; all empty for one that Redis does not know."""

    site_key: str
    id: str
    lines_text: str
    claims_text: str
    visitor: str
    network: str

    @property
    def slot_ids(self) -> list[str]:
        return [line.rpartition(":")[0] for line in self.lines_text.split()]


@dataclass(frozen=True, slots=True)
class KeptHold:
    """A hold as it stood in Redis a moment ago."""

    site_key: str
    id: str
    state: HoldState
    secret_hash: str
    lines: tuple[Line, ...]
    expires_ms: int
    limit_ms: int
    version: int
    visitor: str
    network: str
    fence: int
    claims_text: str = ""
    attempt: str = ""
    """By which it was pinned last."""

    @property
    def claims(self) -> tuple[Claim, ...]:
        return claims_of(self.claims_text)

    @property
    def entries(self) -> list[DiaryEntry]:
        """Where its claims stand."""
        return [entry for claim in self.claims for entry in claim.entries(self.id)]

    @property
    def assignments(self) -> tuple[Assignment, ...]:
        """Its claims, as the store keeps them once it is booked."""
        return tuple(
            Assignment(
                self.id, one.claimed, Slot.parse(one.slot_id), from_ms(one.from_ms), from_ms(one.until_ms), one.seats
            )
            for one in self.claims
        )

    def as_of(self, now_ms: int) -> Hold:
        """A hold past its deadline has expired, whether it was swept yet or not."""
        state = self.state
        if state is HoldState.HELD and self.expires_ms <= now_ms:
            state = HoldState.EXPIRED
        return hold_of(self.id, state, self.lines, self.expires_ms, self.limit_ms, self.version, now_ms)


def kept_hold(site_key: str, hold_id: str, fields: Sequence[Reply]) -> KeptHold | None:
    """From the values of HOLD_FIELDS; None where there is no such hold."""
    state, secret, lines, deadline, limit, version, visitor, network, fence, resolve_by, claims, attempt = fields
    if state is None:
        return None
    expires = resolve_by if state == HoldState.PAYING else deadline
    return KeptHold(
        site_key=site_key,
        id=hold_id,
        state=HoldState(state),
        secret_hash=secret,
        lines=_lines(lines),
        expires_ms=int(expires),
        limit_ms=int(limit),
        version=int(version),
        visitor=visitor,
        network=network,
        fence=int(fence or 0),
        claims_text=claims or "",
        attempt=attempt or "",
    )


def due_hold(site_key: str, hold_id: str, fields: Sequence[Reply]) -> DueHold:
    """From the values of DUE_FIELDS."""
    return DueHold(site_key, hold_id, *(value or "" for value in fields))


def claims_of(text: str) -> tuple[Claim, ...]:
    """From what a hold keeps of them: separated by spaces."""
    return tuple([_claim(one) for one in text.split()])


def entries_of(assignments: Iterable[Assignment]) -> list[DiaryEntry]:
    """Where the claims of bookings stand, if they are not freed."""
    return [entry for one in assignments if not one.is_freed for entry in _claim_of(one).entries(one.hold_id)]


def nobody(site_key: str, hold_id: str) -> KeptHold:
    """Stands for a hold that Redis does not know, where a script is to say so."""
    return KeptHold(site_key, hold_id, HoldState.EXPIRED, "", (), 0, 0, 0, "", "", 0)


def just_held(site_key: str, hold_id: str, lines: Sequence[Line], visitor: str, network: str) -> KeptHold:
    """A hold as it will stand once the call before has taken it; nobody serves it yet."""
    return KeptHold(site_key, hold_id, HoldState.HELD, "", tuple(lines), 0, 0, 1, visitor, network, 0)


def hold_of(
    hold_id: str, state: HoldState, lines: Sequence[Line], expires_ms: int, limit_ms: int, version: int, now_ms: int
) -> Hold:
    expires_at, limit_at, now = _instant(expires_ms), _instant(limit_ms), _instant(now_ms)
    return Hold(hold_id, state, tuple(lines), expires_at, limit_at, version, now)


_instant = lru_cache(INSTANTS_KEPT)(from_ms)


def now_ms(clock: Sequence[str | None], time: Sequence[str]) -> int:
    """The partition's clock from CLOCK_FIELDS and TIME, without moving it: what lua/lib/now_ms.lua would say."""
    offset, seen = int(clock[0] or 0), int(clock[1] or 0)
    machine = int(time[0]) * 1000 + int(time[1]) // 1000
    return max(machine, seen) + offset


def seats_of_day(prefix: str, fields: Sequence[str]) -> list[tuple[str, Seats]]:
    """Slot ids and seats from a day hash. `prefix` is the slot id up to its T."""
    return [(prefix + fields[at], _counted(fields[at + 1])) for at in range(0, len(fields), 2)]


def counted_until(day: date) -> datetime:
    """When the counts of a day of UTC go: a week after it, as lua/lib/write_seats.lua has it. Lines go with their hold:
    those of somebody whose payment is seen to even later stand there uncounted.
    """
    return datetime.combine(day + timedelta(days=8), time(), UTC)


def seats_told(figures: str) -> Seats:
    """`held:booked:version:frees_ms`, as the feed tells it."""
    held, booked, version, frees_ms = figures.split(":")
    return Seats(int(held), int(booked), int(version), instant(frees_ms))


def diary(members: Sequence[str]) -> Diary:
    """From the members of a diary, each with its score."""
    scores = dict(zip(members[::2], members[1::2], strict=True))
    count = int(float(scores.pop(COUNT, 0)))
    return Diary.of(count, (_stands(member, score) for member, score in scores.items()))


def claim_told(part: str) -> ClaimMoved:
    """`<claimed>:<day> <count> <member> <score>`, as the feed tells it; without a score the claim has gone."""
    whose, count, member, score = part.split(" ")
    claimed, _, day = whose.rpartition(":")
    return ClaimMoved(claimed, date.fromisoformat(day), int(count), _stands(member, score), is_gone=not score)


def instant(milliseconds: Reply) -> datetime | None:
    return from_ms(int(milliseconds)) if milliseconds else None


def clock_reads(clock_key: str) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
    """The commands whose answers `now_ms` takes."""
    return ("HMGET", clock_key, *CLOCK_FIELDS), ("TIME",)


def _counted(figures: str) -> Seats:
    held, booked, version, _, *frees_ms = figures.split(":")
    return Seats(int(held), int(booked), int(version), instant(frees_ms[0]) if frees_ms else None)


def days_of(from_ms: int, until_ms: int) -> tuple[date, ...]:
    """The UTC days from one instant until, without it, another."""
    first, last = from_ms // _DAY_MS, (until_ms - 1) // _DAY_MS
    return tuple(_EPOCH + timedelta(days=day) for day in range(first, last + 1))


def _stands(member: str, score: str) -> claims.Claim:
    """A claim as it stands in a diary: `<hold>:<slot>:<from>:<until>:<seats>`."""
    _, slot_id, busy_from, busy_until, seats = member.split(":")
    is_booked = bool(score) and float(score) == BOOKED
    frees_at = None if is_booked or score.endswith("inf") else instant(score)
    return claims.Claim(
        member, slot_id, from_ms(int(busy_from)), from_ms(int(busy_until)), int(seats), frees_at, is_booked
    )


def _claim_of(one: Assignment) -> Claim:
    return Claim(one.claimed, one.slot.id, to_ms(one.busy_from), to_ms(one.busy_until), one.seats)


def _claim(text: str) -> Claim:
    claimed, slot_id, from_ms, until_ms, seats = text.split(":")
    return Claim(claimed, slot_id, int(from_ms), int(until_ms), int(seats))


def _lines(text: str) -> tuple[Line, ...]:
    parts = (part.rpartition(":") for part in text.split(" "))
    return tuple(Line(Slot.parse(slot_id), int(seats)) for slot_id, _, seats in parts)
