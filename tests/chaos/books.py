"""The books: what SQL, Redis, web processes and open widgets say once all is quiet, and what is wrong with it."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from httpx2 import AsyncClient
from sqlalchemy import create_engine, text

from tests.chaos.ledger import FOR_EVER, Ledger, Visit
from tests.chaos.money import Money, read_money
from tests.chaos.town import CAPACITY, DAYS, FIRST_DAY, PARTITION, Member, Town
from tests.chaos.watchers import Figures, Watcher
from tests.house import SITE
from widget_server.domain.holds import HoldState
from widget_server.engine import kept, keys
from widget_server.engine.connection import Connection
from widget_server.engine.wire import Reply

_AT_ONCE = 1000
_LIVE = (HoldState.HELD, HoldState.PAYING)


@dataclass(frozen=True)
class Meeting:
    booked: int
    capacity: int


@dataclass(frozen=True)
class Booking:
    hold: str
    slot: str
    seats: int
    state: str


@dataclass(frozen=True)
class KeptLine:
    hold: str
    seats: int


@dataclass(frozen=True)
class Held:
    state: HoldState
    lines: tuple[tuple[str, int], ...]
    is_overdue: bool = False
    """Its deadline has passed, or its resolve-by."""


@dataclass(frozen=True)
class Books:
    """All as of one moment, provided that nothing moves meanwhile."""

    read_s: float
    epoch_in_sql: int
    gate: tuple[int, str]
    meetings: Mapping[str, Meeting]
    bookings: Sequence[Booking]
    numbers: Mapping[str, str]
    """Of each order, by its hold."""
    outcomes: Mapping[str, str]
    untold: int
    seats: Mapping[str, Figures]
    lines: Mapping[str, Sequence[KeptLine]]
    holds: Mapping[str, Held]
    due: frozenset[str]
    shown: Mapping[str, Mapping[str, Figures]]
    """What each web process answers, and each open widget shows."""
    money: Money = field(default_factory=Money)

    def unfinished(self) -> list[str]:
        """What has half a minute: somebody may still be at it, or was killed and is waited for (decision 10)."""
        pins = [ref for ref, hold in self.holds.items() if hold.state is HoldState.PAYING]
        pins = [ref for ref in pins if ref not in self.money.waiting()]
        return [f"a pin is left: {ref}, in SQL {self.outcomes.get(ref)}" for ref in pins]

    def complaints(self, ledger: Ledger) -> list[str]:
        """Everything that does not fit together; nothing, if the invariants hold."""
        found = [f"SQL: {self.untold} events are not told"] if self.untold else []
        found += [*self._of_sql(), *self._of_redis(), *self._of_holds(), *self._of_pictures()]
        booked = {booking.hold for booking in self.bookings if booking.state == "confirmed"}
        found += self.money.complaints(booked, ledger.visits)
        for visit in ledger.visits.values():
            found += [f"{complaint}; {'; '.join(visit.story)}" for complaint in self._of_visit(visit)]
            found += self._of_hold_believed_live(visit, ledger)
        strangers = self.numbers.keys() - {visit.id for visit in ledger.visits.values() if visit.confirmation_sent}
        return found + [f"an order that nobody confirmed: {hold}" for hold in strangers]

    def _of_sql(self) -> Iterator[str]:
        confirmed: Counter[str] = Counter()
        for booking in self.bookings:
            confirmed[booking.slot] += booking.seats * (booking.state in ("confirmed", "confirming"))
        for slot, meeting in self.meetings.items():
            if meeting.booked != confirmed[slot]:
                yield f"SQL: {slot} counts {meeting.booked} booked, its bookings have {confirmed[slot]}"
            if confirmed[slot] > min(meeting.capacity, CAPACITY[slot.partition(".")[0]]):
                yield f"SQL: {slot} is sold beyond its capacity: {confirmed[slot]} seats"
        stand = {self.money.holder(hold): hold for hold in self.numbers if not self._is_voided(hold)}
        for hold, state in self.outcomes.items():
            if (state in ("confirmed", "confirming")) != (hold in stand):
                yield f"SQL: outcome {state} of {hold}, order {self.numbers.get(hold)}"
        for hold in stand.keys() - self.outcomes.keys():
            yield f"SQL: an order without an outcome: {hold}"

    def _of_redis(self) -> Iterator[str]:
        if self.gate != (self.epoch_in_sql, "OPEN"):
            yield f"Redis: the gate is {self.gate}, and SQL is in epoch {self.epoch_in_sql}"
        for slot in self.seats.keys() | self.meetings.keys():
            held, booked, _ = self.seats.get(slot, (0, 0, 0))
            in_sql = self.meetings.get(slot, Meeting(0, 0)).booked
            if booked != in_sql:
                yield f"Redis: {slot} counts {booked} booked, SQL {in_sql}"
            of_lines = sum(line.seats for line in self.lines.get(slot, ()))
            if held != of_lines:
                yield f"Redis: {slot} counts {held} held, its lines have {of_lines}"

    def _of_holds(self) -> Iterator[str]:
        lines = {(line.hold, slot, line.seats) for slot, kept in self.lines.items() for line in kept}
        live = {ref: hold for ref, hold in self.holds.items() if hold.state in _LIVE}
        wanted = {(ref, slot, seats) for ref, hold in live.items() for slot, seats in hold.lines}
        for ref, slot, seats in lines ^ wanted:
            yield f"Redis: {seats} seats of {slot} for {ref}: only {'held' if ref in live else 'a line'}"
        for ref, hold in live.items():
            if hold.state is HoldState.PAYING and hold.is_overdue and ref not in self.money.waiting():
                yield f"Redis: an orphaned pin: {ref}, in SQL {self.outcomes.get(ref)}"
        if self.due != live.keys():
            yield f"Redis: due and live differ: {sorted(self.due ^ live.keys())}"

    def _of_pictures(self) -> Iterator[str]:
        for whose, picture in self.shown.items():
            wrong = {
                slot: (picture.get(slot), figures)
                for slot, figures in self.seats.items()
                if picture.get(slot) != figures
            }
            if wrong:
                yield f"{whose} shows {len(wrong)} slots otherwise than Redis: {dict(list(wrong.items())[:3])}"

    def _of_visit(self, visit: Visit) -> Iterator[str]:
        number = self.numbers.get(visit.id)
        mine = [booking for booking in self.bookings if booking.hold == visit.id]
        states = {booking.state for booking in mine}
        if visit.numbers and visit.numbers != {number}:
            yield f"{visit.id} was told of order {visit.numbers}, SQL has {number}"
        lines = frozenset((booking.slot, booking.seats) for booking in mine)
        if number and lines not in {frozenset(visit.lines), *visit.chosen}:
            yield f"{visit.id} wanted {visit.lines}, and SQL has {mine}"
        if visit.booked_lines and visit.booked_lines != {lines}:
            yield f"{visit.id} was told of {visit.booked_lines}, and SQL has {mine}"
        if visit.refused and number:
            yield f"{visit.id} was told {visit.refused}, and is booked all the same"
        if visit.cancelled and states != {"cancelled"}:
            yield f"{visit.id} has cancelled, and SQL says {states}"
        if visit.numbers and self._is_voided(visit.id):
            yield f"{visit.id} was told it is booked, and it was undone"
        is_to_stand = number and not self._is_voided(visit.id) and visit.cancellation_sent_s == FOR_EVER
        if is_to_stand and states not in ({"confirmed"}, {"confirming"}):
            yield f"{visit.id} is booked, and SQL says {states}"

    def _is_voided(self, hold: str) -> bool:
        """Its money could not be taken, so its seats are free again."""
        return hold in self.money.orders and self.money.orders[hold].state == "voided"

    def _of_hold_believed_live(self, visit: Visit, ledger: Ledger) -> Iterator[str]:
        from_s, until_s = ledger.certain_at_page(visit)
        is_to_pay = visit.page is not None and visit.page.paid_s == FOR_EVER and from_s < self.read_s < until_s
        if is_to_pay and self.holds.get(visit.id) != Held(HoldState.PAYING, visit.lines):
            yield f"{visit.id} is at the pay page for {visit.lines}, Redis {self.holds.get(visit.id)}"
        from_s, until_s = ledger.certain(visit)
        if not from_s < self.read_s < until_s or visit.let_go_s < FOR_EVER:
            return
        if self.holds.get(visit.id) != Held(HoldState.HELD, visit.lines):
            left_s = until_s - self.read_s
            yield f"{visit.id} has {left_s:.1f} s left of {visit.lines}, Redis {self.holds.get(visit.id)}"


async def read_books(town: Town, webs: Sequence[Member], watchers: Sequence[Watcher], ledger: Ledger) -> Books:
    """Raises what its sources raise while they are not there."""
    async with town.redis() as redis:
        seats = await _seats(town, redis)
        lines = await _lines(town, redis)
        ids = {line.hold for of_slot in lines.values() for line in of_slot} | ledger.visits.keys()
        holds = await _holds(sorted(ids), redis)
        (due,) = await redis.read(("ZRANGE", keys.of_partition(PARTITION).due, 0, -1))
    shown = {watcher.name: dict(watcher.picture) for watcher in watchers}
    async with AsyncClient(timeout=60) as client:
        for web in webs:
            shown[web.process.name] = await _answered(client, town, web.url)
    sql = _sql(town)
    return Books(
        read_s=asyncio.get_running_loop().time(),
        gate=await town.gate(),
        seats=seats,
        lines=lines,
        holds=holds,
        due=frozenset(ref.partition("/")[2] for ref in due),
        shown=shown,
        **sql,  # type: ignore[arg-type]
    )


def _sql(town: Town) -> dict[str, object]:
    engine = create_engine(town.sql_url.replace("+aiosqlite", ""))
    try:
        with engine.connect() as sql:
            meetings = sql.execute(text("SELECT slot, booked, capacity FROM meeting")).all()
            bookings = sql.execute(
                text(
                    "SELECT orders.hold_id, slot, seats, booking.state FROM booking "
                    "JOIN orders ON orders.id = order_id JOIN meeting ON meeting.id = meeting_id"
                )
            ).all()
            return {
                "epoch_in_sql": sql.execute(text("SELECT epoch FROM site")).scalar_one(),
                "meetings": {slot: Meeting(booked, capacity) for slot, booked, capacity in meetings},
                "bookings": [Booking(*row) for row in bookings],
                "numbers": dict(sql.execute(text("SELECT hold_id, number FROM orders")).all()),
                "outcomes": dict(sql.execute(text("SELECT hold_id, state FROM outcome")).all()),
                "untold": sql.execute(text("SELECT count(*) FROM outbox")).scalar_one(),
                "money": read_money(sql, town.shop),
            }
    finally:
        engine.dispose()


async def _seats(town: Town, redis: Connection) -> dict[str, Figures]:
    days = [FIRST_DAY + timedelta(days=day) for day in range(DAYS)]
    of_site = keys.of_site(PARTITION, SITE)
    wanted = [(service.key, day) for service in town.services for day in days]
    answers = await redis.read(*(("HGETALL", of_site.day(service, day)) for service, day in wanted))
    counted = {slot.id: (0, 0, 0) for slot in town.slots}
    for (service, day), fields in zip(wanted, answers, strict=True):
        for slot, seats in kept.seats_of_day(keys.slot_id(service, day, ""), fields):
            counted[slot] = (seats.held, seats.booked, seats.version)
    return counted


async def _lines(town: Town, redis: Connection) -> dict[str, list[KeptLine]]:
    of_site = keys.of_site(PARTITION, SITE)
    answers = await redis.read(*(("ZRANGE", of_site.seats(slot.id)[1], 0, -1) for slot in town.slots))
    lines: defaultdict[str, list[KeptLine]] = defaultdict(list)
    for slot, members in zip(town.slots, answers, strict=True):
        for member in members:
            hold, _, seats = member.rpartition(":")
            lines[slot.id].append(KeptLine(hold, int(seats)))
    return dict(lines)


async def _holds(refs: Sequence[str], redis: Connection) -> dict[str, Held]:
    of_site = keys.of_site(PARTITION, SITE)
    clock = await redis.read(*kept.clock_reads(of_site.partition.clock))
    answers: list[Reply] = []
    for at in range(0, len(refs), _AT_ONCE):
        chunk = refs[at : at + _AT_ONCE]
        answers += await redis.read(*(("HMGET", of_site.hold(ref), *kept.HOLD_FIELDS) for ref in chunk))
    found = {ref: kept.kept_hold(SITE, ref, fields) for ref, fields in zip(refs, answers, strict=True)}
    now_ms = kept.now_ms(*clock)
    return {ref: _held(hold, now_ms) for ref, hold in found.items() if hold is not None}


def _held(hold: kept.KeptHold, now_ms: int) -> Held:
    return Held(
        hold.as_of(now_ms).state,
        tuple((line.slot.id, line.seats) for line in hold.lines),
        hold.expires_ms <= now_ms and hold.state in _LIVE,
    )


async def _answered(client: AsyncClient, town: Town, url: str) -> dict[str, Figures]:
    last = (FIRST_DAY + timedelta(days=DAYS - 1)).isoformat()
    shown: dict[str, Figures] = {}
    for service in town.services:
        path = f"/v1/sites/{SITE}/services/{service.key}/availability?from={FIRST_DAY.isoformat()}&to={last}"
        answer = await client.get(url + path)
        answer.raise_for_status()
        shown |= {slot["id"]: (slot["held"], slot["booked"], slot["version"]) for slot in answer.json()["slots"]}
    return shown
