"""The only place that watches who serves what: nobody two slots at once, and diaries that say what was claimed."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from widget_server.clock import to_ms
from widget_server.domain.claims import ClaimMoved
from widget_server.domain.slots import OfferedSlot
from widget_server.engine.kept import BOOKED, COUNT
from widget_server.engine.wire import Reply
from widget_server.simulator.invariants import Invariant, must

GIVES = ("hold", "change", "pin", "restore_pin")
"""Scripts that claim somebody; others write what was claimed before, or what SQL says."""
_FREES = ("assign", "mend_claim", "restore")
"""Scripts that may free others than whose hold they are about."""
KEYS_KEPT = 4_096


class DiaryKey(NamedTuple):
    site: str
    claimed: str
    day: date
    key: str


class Stands(NamedTuple):
    """A claim in somebody's diary."""

    hold_id: str
    slot_id: str
    from_ms: int
    until_ms: int
    seats: int

    @property
    def name(self) -> str:
        """By which it is moved: what it was before is in nobody's way then."""
        return f"{self.hold_id}:{self.slot_id}"

    def meets(self, from_ms: int, until_ms: int) -> bool:
        return self.from_ms < until_ms and self.until_ms > from_ms


@dataclass(frozen=True, slots=True)
class DiaryThen:
    """A diary as it stood at one moment."""

    count: int
    claims: Mapping[str, float]
    """Member -> until when it counts, in ms; infinite where pinned, `BOOKED` where booked."""

    def live(self, now_ms: int) -> dict[str, Stands]:
        return {member: stands(member) for member, score in self.claims.items() if score > now_ms}


@lru_cache(KEYS_KEPT)
def diary_key(key: str) -> DiaryKey | None:
    of_site, found, diary = key.partition(":diary:")
    claimed, _, day = diary.rpartition(":")
    return DiaryKey(of_site.partition(":")[2], claimed, date.fromisoformat(day), key) if found else None


@lru_cache(KEYS_KEPT)
def stands(member: str) -> Stands:
    hold_id, slot_id, from_ms, until_ms, seats = member.split(":")
    return Stands(hold_id, slot_id, int(from_ms), int(until_ms), int(seats))


def diary_then(members: Reply) -> DiaryThen:
    claims = {member: float(score) for member, score in zip(members[::2], members[1::2], strict=True)}
    return DiaryThen(int(claims.pop(COUNT, 0)), claims)


def check_moved(
    script: str, args: Collection[str], diary: DiaryKey, then: DiaryThen, now: DiaryThen, ours: set[str], now_ms: int
) -> None:
    what = f"{diary.claimed} of {diary.site} had {then}, has {now}, at {now_ms}"
    must(now.count > then.count or now.claims == then.claims, Invariant.RISING, what)
    before, after = then.live(now_ms), now.live(now_ms)
    for member in before.keys() - after.keys():
        must(script in _FREES or before[member].hold_id in ours, Invariant.DEADLINE, f"{member} of {what}")
        must(script in _FREES or then.claims[member] != BOOKED, Invariant.KEPT, f"{member} of {what}")
    if script in GIVES:
        moved = {name for arg in args for name in arg.split(" ")}
        for member in after.keys() - before.keys():
            _check_given(after[member], [other for other in after.values() if other.name not in moved], what)


def _check_given(given: Stands, others: Iterable[Stands], what: str) -> None:
    for other in others:
        is_elsewhere = other.slot_id != given.slot_id and other.meets(given.from_ms, given.until_ms)
        must(not is_elsewhere, Invariant.CLAIM, f"{given} and {other}: {what}")


def check_told(diary: DiaryKey, then: DiaryThen, now: DiaryThen, told: Iterable[ClaimMoved]) -> None:
    """Each change of a diary is told, with its number."""
    moves = [move for move in told if (move.claimed, move.day) == (diary.claimed, diary.day)]
    changed = {member for member, _ in then.claims.items() ^ now.claims.items()}
    missing = changed - {move.claim.member for move in moves}
    must(not missing, Invariant.TOLD, f"{diary}: {missing} of {then} and {now}, the feed says {moves}")
    must(not moves or moves[-1].count == now.count, Invariant.TOLD, f"{diary} is {now}, the feed says {moves}")


def served_more(then: DiaryThen, now: DiaryThen, now_ms: int) -> dict[str, int]:
    """The slots of which somebody serves more seats than then, and how many that are."""
    before, after = seats_each(then.live(now_ms).values()), seats_each(now.live(now_ms).values())
    return {slot_id: seats for slot_id, seats in after.items() if seats > before.get(slot_id, 0)}


def seats_each(claims: Iterable[Stands]) -> dict[str, int]:
    """How many seats of each slot somebody serves."""
    served: dict[str, int] = {}
    for claim in claims:
        served[claim.slot_id] = served.get(claim.slot_id, 0) + claim.seats
    return served


Diaries = dict[tuple[str, str, date], DiaryThen]
"""All of a partition, by site, name and day."""


def booked_in(diaries: Diaries, since_ms: int) -> set[tuple[str, str, str]]:
    """Site, name and claim of all that is booked and not over."""
    return {
        (site, claimed, member)
        for (site, claimed, _), diary in diaries.items()
        for member, score in diary.claims.items()
        if score == BOOKED and stands(member).until_ms > since_ms
    }


def left_of(diaries: Diaries, site: str, offered: OfferedSlot, taken: int, now_ms: int) -> int:
    """What is left of a slot, counted once more from whatever stands in all diaries."""
    left = offered.capacity - taken
    for need in offered.needs:
        busy = to_ms(need.busy_from), to_ms(need.busy_until)
        room = 0
        for name in need.candidates:
            claims = {member for member in _live_of(diaries, site, name, now_ms) if stands(member).meets(*busy)}
            served = seats_each(stands(member) for member in claims)
            is_elsewhere = served.keys() - {offered.slot.id}
            room += 0 if is_elsewhere else max(0, need.seats_each - served.get(offered.slot.id, 0))
        left = min(left, room)
    return max(0, left)


def _live_of(diaries: Diaries, site: str, claimed: str, now_ms: int) -> Iterator[str]:
    for (of_site, name, _), diary in diaries.items():
        if (of_site, name) == (site, claimed):
            yield from diary.live(now_ms)
