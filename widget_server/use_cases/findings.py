"""The only place that says what an audit finds wrong: comparisons of what Redis and SQL say of the same thing."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf

from widget_server.domain.bookings import BookedSeats
from widget_server.domain.holds import HoldState
from widget_server.domain.slots import Slot
from widget_server.engine.inspection import LIVE, CountedLine, CountedSlot, NotedHold
from widget_server.engine.kept import BOOKED, DiaryEntry, KeptHold
from widget_server.store.audit import CountedMeeting

NO_SAY = "-"
"""Has no say in it."""


class Kind(StrEnum):
    GATE = "gate"
    BOOKED = "booked"
    HELD = "held"
    LINE = "line"
    MISSING_LINE = "missing_line"
    CLAIM = "claim"
    MISSING_CLAIM = "missing_claim"
    DUE = "due"
    BUDGET = "budget"
    PIN = "pin"
    MEETING = "meeting"
    OUTCOME = "outcome"
    OUTBOX = "outbox"


MENDED_BY_WORKER = "a running worker, or tenuto rebuild"
_NOT_BY_ITSELF = "nothing by itself: restore SQL from a backup, or ask for help"
MENDS: dict[Kind, str] = {
    Kind.GATE: "the next visitor, a running worker, or tenuto rebuild",
    **dict.fromkeys((Kind.BOOKED, Kind.HELD, Kind.LINE, Kind.MISSING_LINE, Kind.DUE, Kind.BUDGET), MENDED_BY_WORKER),
    **dict.fromkeys((Kind.CLAIM, Kind.MISSING_CLAIM), MENDED_BY_WORKER),
    Kind.PIN: "a running worker",
    Kind.MEETING: _NOT_BY_ITSELF,
    Kind.OUTCOME: _NOT_BY_ITSELF,
    Kind.OUTBOX: "a running worker, as soon as Redis takes it",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, where, and what each side says of it."""

    site_key: str
    kind: Kind
    where: str
    redis: str
    sql: str
    slots: tuple[Slot, ...] = field(default=(), repr=False)
    lines: tuple[tuple[str, int], ...] = ()
    """Hold id and seats of the lines it is about."""
    hold_id: str | None = None
    budgets: tuple[str, str] | None = None
    """The hashes of visitor and network in whose sets the hold stands, or should."""
    claim: DiaryEntry | None = None
    """Where it stands, or should."""
    told_since: int | None = None
    """The version that SQL had, where Redis may just not have been told of it yet."""
    redis_version: int = 0

    @property
    def mends(self) -> str:
        return MENDS[self.kind]

    @property
    def place(self) -> tuple[str, Kind, str]:
        return self.site_key, self.kind, self.where

    def is_still(self, now: "Finding") -> bool:
        """Whether this was wrong all the time. That a later booking is not told yet is another matter."""
        return self.told_since is None or now.told_since is None or now.redis_version < self.told_since


def booked(site_key: str, counted: CountedSlot, in_sql: BookedSeats) -> list[Finding]:
    """A version that Redis has not been told of yet is no news if it counts the same."""
    is_behind = counted.booked_version < in_sql.version
    if counted.booked == in_sql.booked and (is_behind or counted.booked_version == in_sql.version):
        return []
    return [
        Finding(
            site_key,
            Kind.BOOKED,
            counted.slot.id,
            f"{counted.booked} in version {counted.booked_version}",
            f"{in_sql.booked} in version {in_sql.version}",
            slots=(counted.slot,),
            told_since=in_sql.version if is_behind else None,
            redis_version=counted.booked_version,
        )
    ]


def held(site_key: str, counted: CountedSlot) -> list[Finding]:
    if not counted.is_readable:
        told = f"'{counted.figures}' for {counted.seats_of_lines} held"
    elif counted.held != counted.seats_of_lines:
        told = f"{counted.held} for {counted.seats_of_lines} of its lines"
    elif counted.frees_ms != counted.first_deadline_ms:
        told = f"frees at {counted.frees_ms} for {counted.first_deadline_ms}"
    else:
        return []
    return [Finding(site_key, Kind.HELD, counted.slot.id, told, NO_SAY, slots=(counted.slot,))]


def lines(
    site_key: str, lines: Iterable[tuple[Slot, CountedLine]], holds: Mapping[str, KeptHold | None]
) -> list[Finding]:
    return [
        Finding(
            site_key,
            Kind.LINE,
            f"{slot.id} of hold {hold_id}",
            f"{seats} seats, and no live hold of them",
            NO_SAY,
            slots=(slot,),
            lines=((hold_id, seats),),
        )
        for slot, (hold_id, seats, _) in lines
        if not _has_line(holds[hold_id], slot, seats)
    ]


def noted(site_key: str, noted: NotedHold, now_ms: int) -> list[Finding]:
    """Past its deadline a hold may have lost lines to others already, until the sweep ends it."""
    hold, score = noted.hold, noted.score
    found = [
        Finding(
            site_key,
            Kind.MISSING_LINE,
            f"{line.slot.id} of hold {hold.id}",
            "another deadline" if kept else "missing",
            NO_SAY,
            slots=(line.slot,),
            lines=((hold.id, line.seats),),
            hold_id=hold.id,
        )
        for line, kept in zip(hold.lines, noted.lines, strict=True)
        if kept != score and score > now_ms
    ]
    found += [
        _of_claim(site_key, Kind.MISSING_CLAIM, entry, "another deadline" if kept else "missing", NO_SAY)
        for entry, kept in zip(hold.entries, noted.claims, strict=True)
        if kept not in (score, BOOKED)
        and score > now_ms  # the store may have told that it is booked before commit does
    ]
    is_due = noted.due is not None if hold.state is HoldState.PAYING else noted.due == hold.expires_ms
    whose = (hold.visitor, hold.network)
    if not is_due:
        found.append(Finding(site_key, Kind.DUE, f"hold {hold.id}", "not due", NO_SAY, hold_id=hold.id, budgets=whose))
    if noted.visitor != score or noted.network != score:
        where, told = f"hold {hold.id}", "not counted"
        found.append(Finding(site_key, Kind.BUDGET, where, told, NO_SAY, hold_id=hold.id, budgets=whose))
    return found


def claims(
    site_key: str,
    standing: Iterable[tuple[DiaryEntry, float]],
    holds: Mapping[str, KeptHold | None],
    in_sql: Collection[DiaryEntry],
    now_ms: int,
) -> list[Finding]:
    """Claims that stand in diaries, and should not, or not like this. What is over is in nobody's way."""
    found = []
    for entry, score in standing:
        claim = entry.claim
        if claim is None:
            found.append(_of_claim(site_key, Kind.CLAIM, entry, "not to be read", NO_SAY))
        elif claim.until_ms <= now_ms:
            continue
        elif score == BOOKED and entry not in in_sql:
            found.append(_of_claim(site_key, Kind.CLAIM, entry, "booked", "nobody serves such a booking"))
        elif score != BOOKED and not _has_claim(holds[entry.hold_id], entry):
            found.append(_of_claim(site_key, Kind.CLAIM, entry, "held, and no live hold of it", NO_SAY))
    return found


def unclaimed(site_key: str, in_sql: Iterable[tuple[DiaryEntry, float | None]]) -> list[Finding]:
    """Bookings whose person looks free, or will by itself. A pinned claim is about to be booked."""
    return [
        _of_claim(site_key, Kind.MISSING_CLAIM, entry, "missing" if score is None else "held", "booked")
        for entry, score in in_sql
        if score not in (BOOKED, inf)
    ]


def pin(site_key: str, hold_id: str, *, is_decided: bool) -> Finding:
    told = "decided" if is_decided else "not decided"
    return Finding(site_key, Kind.PIN, f"hold {hold_id}", "pinned past its window", told, hold_id=hold_id)


def gate(site_key: str, epoch: int | None, epoch_of_sql: int) -> Finding:
    told = "closed, or not there" if epoch is None else f"open in epoch {epoch}"
    return Finding(site_key, Kind.GATE, "gate", told, f"epoch {epoch_of_sql}")


def stray(site_key: str, kind: str, name: str, hold_id: str) -> Finding:
    """A hold that counts in a budget, and should not."""
    whose = (name, "") if kind == "visitor" else ("", name)
    where, told = f"{kind} {name}, hold {hold_id}", "counted, and not live"
    return Finding(site_key, Kind.BUDGET, where, told, NO_SAY, hold_id=hold_id, budgets=whose)


def due(site_key: str, hold_id: str, hold: KeptHold | None) -> list[Finding]:
    """A hold that is due some time, and should not be."""
    if hold is not None and hold.state in LIVE:
        return []
    whose = (hold.visitor, hold.network) if hold is not None else ("", "")
    return [Finding(site_key, Kind.DUE, f"hold {hold_id}", "due, and not live", NO_SAY, hold_id=hold_id, budgets=whose)]


def untold(site_key: str, waiting: int, *, since: str) -> Finding:
    return Finding(site_key, Kind.OUTBOX, "outbox", NO_SAY, f"{waiting} not told to Redis, the oldest since {since}")


def unsound(site_key: str, meetings: Sequence[CountedMeeting]) -> list[Finding]:
    return [
        Finding(
            site_key,
            Kind.MEETING,
            meeting.seats.slot.id,
            NO_SAY,
            f"{meeting.seats.booked} booked of {meeting.capacity}, and bookings of {meeting.taken}",
            slots=(meeting.seats.slot,),
        )
        for meeting in meetings
        if not meeting.is_sound
    ]


def without_order(site_key: str, hold_id: str) -> Finding:
    return Finding(site_key, Kind.OUTCOME, f"hold {hold_id}", NO_SAY, "confirmed, and no order", hold_id=hold_id)


def _has_line(hold: KeptHold | None, slot: Slot, seats: int) -> bool:
    return (
        hold is not None
        and hold.state in LIVE
        and any(line.slot == slot and line.seats == seats for line in hold.lines)
    )


def _has_claim(hold: KeptHold | None, entry: DiaryEntry) -> bool:
    return hold is not None and hold.state in LIVE and entry in hold.entries


def _of_claim(site_key: str, kind: Kind, entry: DiaryEntry, redis: str, sql: str) -> Finding:
    where = f"{entry.claimed} on {entry.day}, {entry.member}"
    return Finding(site_key, kind, where, redis, sql, hold_id=entry.hold_id, claim=entry)


def counts(hold: KeptHold | None, kind: str, name: str) -> bool:
    return hold is not None and hold.state in LIVE and name == (hold.visitor if kind == "visitor" else hold.network)


def sets_of(finding: Finding) -> list[tuple[str, str]]:
    """The budgets that it is about: visitor or network, and its hash."""
    named = zip(("visitor", "network"), finding.budgets or ("", ""), strict=True)
    return [(kind, name) for kind, name in named if name]
