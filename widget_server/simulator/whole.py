"""The only place that looks at everything Redis keeps at once, and says what must hold of it at any moment."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

from widget_server.domain.slots import UNTOUCHED, Seats
from widget_server.engine import kept, keys
from widget_server.engine.wire import Reply, good, pack
from widget_server.simulator.diaries import Diaries, diary_key, diary_then, stands
from widget_server.simulator.invariants import Invariant, must
from widget_server.simulator.server import Line
from widget_server.simulator.witness import hold_key, is_uncounted, slot_key

_LIVE = ("held", "paying")

IsFreed = Callable[[str, str, str, str], bool]
"""Whether SQL has freed somebody of a site, by name, hold and slot."""


@dataclass(frozen=True, slots=True)
class WholeHold:
    state: str
    deadline_ms: int
    due_ms: int
    lines: tuple[tuple[str, int], ...]
    entries: tuple[tuple[tuple[str, str, date], str], ...]
    """Its claims: in which diaries, and as what."""
    visitor_key: str
    network_key: str

    def is_live(self, now_ms: int) -> bool:
        return self.state == "paying" or (self.state == "held" and self.deadline_ms > now_ms)


@dataclass
class Whole:
    """All of one partition, by site and id."""

    now_ms: int
    holds: dict[tuple[str, str], WholeHold] = field(default_factory=dict)
    lines: dict[tuple[str, str], dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    seats: dict[tuple[str, str], Seats] = field(default_factory=dict)
    budgets: dict[str, set[str]] = field(default_factory=dict)
    due: dict[tuple[str, str], int] = field(default_factory=dict)
    diaries: Diaries = field(default_factory=dict)

    @property
    def live(self) -> set[tuple[str, str]]:
        return {ref for ref, hold in self.holds.items() if hold.state in _LIVE}


def look(line: Line, partition: str, now_ms: int) -> Whole:
    whole = Whole(now_ms)
    found = sorted(good(line.ask("KEYS", f"{{{partition}}}:*")))
    _look_at_holds(whole, line, partition, [key for key in found if ":hold:" in key])
    for key, lines in _each(line, ("ZRANGE", "0", "-1", "WITHSCORES"), [key for key in found if ":slot:" in key]):
        slot = slot_key(key)
        assert slot is not None
        scores = zip(lines[::2], lines[1::2], strict=True)
        whole.lines[slot.site, slot.id] = {line: float(score) for line, score in scores}
    for key, figures in _each(line, ("HGETALL",), [key for key in found if ":day:" in key]):
        site, (_, service, day) = key.split(":")[1], key.rsplit(":", 2)
        whole.seats |= {(site, slot): seats for slot, seats in kept.seats_of_day(f"{service}.{day}T", figures)}
    for key, members in _each(line, ("ZRANGE", "0", "-1", "WITHSCORES"), [key for key in found if ":diary:" in key]):
        diary = diary_key(key)
        assert diary is not None
        whole.diaries[diary[:3]] = diary_then(members)
    budgets = [key for key in found if ":visitor:" in key or ":network:" in key]
    whole.budgets = {key: set(ids) for key, ids in _each(line, ("ZRANGE", "0", "-1"), budgets)}
    due = good(line.ask("ZRANGE", keys.of_partition(partition).due, 0, -1, "WITHSCORES"))
    for ref, score in zip(due[::2], due[1::2], strict=True):
        site, _, hold_id = ref.partition("/")
        whole.due[site, hold_id] = int(score)
    return whole


def _look_at_holds(whole: Whole, line: Line, partition: str, found: Sequence[str]) -> None:
    for key, fields in _each(line, ("HMGET", *kept.HOLD_FIELDS), found):
        hold = hold_key(key)
        assert hold is not None
        of_site, known = keys.of_site(partition, hold.site), dict(zip(kept.HOLD_FIELDS, fields, strict=True))
        parts = [part.rpartition(":") for part in known["lines"].split(" ")]
        whole.holds[hold.site, hold.id] = WholeHold(
            state=known["state"],
            deadline_ms=int(known["deadline"]),
            due_ms=int(known["resolve_by"] if known["state"] == "paying" else known["deadline"]),
            lines=tuple((slot, int(seats)) for slot, _, seats in parts),
            entries=_entries(hold.site, hold.id, known["claims"] or ""),
            visitor_key=of_site.visitor(known["visitor"]),
            network_key=of_site.network(known["network"]),
        )


def _entries(site: str, hold_id: str, claims: str) -> tuple[tuple[tuple[str, str, date], str], ...]:
    return tuple(
        ((site, entry.claimed, entry.day), entry.member)
        for claim in kept.claims_of(claims)
        for entry in claim.entries(hold_id)
    )


def _each(line: Line, command: tuple[str, ...], of_keys: Sequence[str]) -> list[tuple[str, Reply]]:
    verb, *rest = command
    replies = line.ask_all([pack(verb, key, *rest) for key in of_keys]) if of_keys else []
    return [(key, good(reply)) for key, reply in zip(of_keys, replies, strict=True)]


def check(whole: Whole, is_freed: IsFreed) -> None:
    """What must hold at any moment."""
    for slot, seats in whole.seats.items():
        if is_uncounted(slot[1], whole.now_ms):
            continue
        held = sum(int(line.rpartition(":")[2]) for line in whole.lines[slot])
        must(seats.held == held, Invariant.COUNT, f"{slot} has lines of {held} and says {seats}")
    for slot, lines in whole.lines.items():
        is_counted = slot in whole.seats or is_uncounted(slot[1], whole.now_ms)
        must(not lines or is_counted, Invariant.COUNT, f"{slot} has lines, and nobody counts them")
        for line in lines:
            _check_line(whole, slot, line)
    _check_claims(whole)
    for ref, hold in whole.holds.items():
        if hold.is_live(whole.now_ms):
            _check_live(whole, ref, hold)
            _check_claimed(whole, ref, hold, is_freed)


def check_at_rest(whole: Whole, is_being_paid: Callable[[str, str], bool]) -> None:
    """Once everything was swept and resolved, but pins for which somebody may be paying."""
    for ref, hold in whole.holds.items():
        is_overdue = hold.state == "paying" and hold.due_ms <= whole.now_ms
        must(not is_overdue or is_being_paid(*ref), Invariant.REST_PINS, f"{ref} is {hold}")
        must(hold.state != "held" or hold.deadline_ms > whole.now_ms, Invariant.REST_INDEX, f"{ref} is {hold}, unswept")
    must(whole.due.keys() == whole.live, Invariant.REST_INDEX, f"due {sorted(whole.due.keys() ^ whole.live)}")
    expected: dict[str, set[str]] = {}
    for ref in whole.live:
        for key in (whole.holds[ref].visitor_key, whole.holds[ref].network_key):
            expected.setdefault(key, set()).add(ref[1])
    for key in expected.keys() | whole.budgets.keys():
        counted, live = whole.budgets.get(key, set()), expected.get(key, set())
        must(counted == live, Invariant.REST_INDEX, f"{key} counts {sorted(counted)}, live are {sorted(live)}")


def _check_line(whole: Whole, slot: tuple[str, str], line: str) -> None:
    hold_id, _, seats = line.rpartition(":")
    hold = whole.holds.get((slot[0], hold_id))
    must(hold is not None and hold.state in _LIVE, Invariant.REST_LINES, f"{line} in {slot} belongs to {hold}")
    assert hold is not None
    must((slot[1], int(seats)) in hold.lines, Invariant.REST_LINES, f"{line} in {slot} is not of {hold}")
    score = float("inf") if hold.state == "paying" else hold.deadline_ms
    must(whole.lines[slot][line] == score, Invariant.REST_LINES, f"{line} in {slot}: {whole.lines[slot]}, of {hold}")


def _check_claims(whole: Whole) -> None:
    for diary, then in whole.diaries.items():
        for member, score in then.claims.items():
            if score != kept.BOOKED:
                _check_claim(whole, diary, member, score)


def _check_claim(whole: Whole, diary: tuple[str, str, date], member: str, score: float) -> None:
    hold = whole.holds.get((diary[0], stands(member).hold_id))
    what = f"{member} until {score} of {diary[1]} belongs to {hold}"
    must(hold is not None and hold.state in _LIVE, Invariant.DIARY, what)
    assert hold is not None
    must((diary, member) in hold.entries, Invariant.DIARY, what)
    must(score == (float("inf") if hold.state == "paying" else hold.deadline_ms), Invariant.DIARY, what)


def _check_live(whole: Whole, ref: tuple[str, str], hold: WholeHold) -> None:
    site, hold_id = ref
    for slot, seats in hold.lines:
        must(f"{hold_id}:{seats}" in whole.lines[site, slot], Invariant.HELD, f"{ref} has no line in {slot}: {hold}")
    must(ref in whole.due, Invariant.REST_INDEX, f"{ref} is not due: {hold}")
    for key in (hold.visitor_key, hold.network_key):
        must(hold_id in whole.budgets.get(key, ()), Invariant.REST_INDEX, f"{ref} does not count in {key}: {hold}")


def _check_claimed(whole: Whole, ref: tuple[str, str], hold: WholeHold, is_freed: IsFreed) -> None:
    """Whoever holds seats has those who serve them; but for a hold that was taken again after it had become an order
    that has moved or is cancelled by now: nothing can come of it, and those who were to serve it were freed for good.
    """
    for diary, member in hold.entries:
        stand = whole.diaries[diary].claims if diary in whole.diaries else {}
        is_there = member in stand or is_freed(ref[0], diary[1], ref[1], stands(member).slot_id)
        must(is_there, Invariant.DIARY, f"{ref} does not stand in {diary}: {hold}")


def seats_of(whole: Whole, slot: tuple[str, str]) -> Seats:
    return whole.seats.get(slot, UNTOUCHED)
