"""How fast an empty Redis is filled from SQL: with what is booked of very many slots, and with who is paying."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from statistics import median

from sqlalchemy import insert

from bench.studio import SERVICE, SITE, Studio
from bench.table import ROUNDS, TIMES, Bound, Row, Section, ratio, trust
from widget_server.bootstrap import Parts, assembled
from widget_server.domain.attempts import Attempt, WantedLine, WantedOrder
from widget_server.domain.bookings import Customer
from widget_server.domain.money import Money
from widget_server.domain.payments import PAYMENT_WINDOW, AttemptState
from widget_server.domain.services import Place
from widget_server.domain.slots import Slot
from widget_server.engine import keys
from widget_server.engine.wire import Word, pack
from widget_server.ids import hash_secret, new_id, new_order_number
from widget_server.store.attempts import new_row
from widget_server.store.tables import MeetingRow

SLOTS, PINS = 100_000, 10_000
_LENGTH = timedelta(minutes=30)
_AT_ONCE = 1_000
_BOOKED = 3
_NEVER = datetime(2099, 1, 1, tzinfo=UTC)


def measured(studio: Studio) -> Section:
    filled_s, raw_s = asyncio.run(_measured(studio))
    return Section(
        [
            Row(
                f"Redis filled from SQL, {SLOTS:,} slots and {PINS:,} pins",
                f"{median(filled_s):.2f} s",
                f"{median(raw_s):.2f} s, the same keys in pipelines",
                ratio(filled_s, raw_s),
                unit=TIMES,
                must=Bound(3),
            )
        ],
        _MEANING,
    )


async def _measured(studio: Studio) -> tuple[list[float], list[float]]:
    slots = _slots(studio)
    async with _prepared(studio, slots) as parts:
        filled_s, raw_s = [], []
        for _ in range(ROUNDS):
            _forget_all(studio)
            began_at_s = time.perf_counter()
            count = await parts.use_cases.reconciliation.fill(SITE)
            filled_s.append(time.perf_counter() - began_at_s)
            trust(count == SLOTS, f"{count} slots were filled.")
            trust(_held(studio, slots) == PINS, "Not all who are paying have their seats again.")
            _forget_all(studio)
            raw_s.append(_raw(studio, slots))
        _forget_all(studio)
        return filled_s, raw_s


@asynccontextmanager
async def _prepared(studio: Studio, slots: Sequence[Slot]) -> AsyncIterator[Parts]:
    """With a meeting of each slot in SQL, and of some of them somebody who is paying."""
    async with assembled(studio.settings, studio.redis_url) as parts:
        async with parts.database.transaction() as session:
            await session.exec(insert(MeetingRow).values(), params=[_meeting(studio, slot) for slot in slots])
            session.add_all(new_row(_attempt(studio, slot), due_at=_NEVER) for slot in slots[:PINS])
        yield parts


def _slots(studio: Studio) -> list[Slot]:
    first = datetime.combine(studio.first_day, datetime.min.time(), UTC)
    return [Slot(SERVICE, at := first + _LENGTH * number, at + _LENGTH) for number in range(SLOTS)]


def _meeting(studio: Studio, slot: Slot) -> dict[str, object]:
    return {
        "site_id": studio.site.id,
        "slot": slot.id,
        "service": SERVICE,
        "starts_at": slot.starts_at,
        "capacity": 10,
        "booked": _BOOKED,
        "version": _BOOKED,
    }


def _attempt(studio: Studio, slot: Slot) -> Attempt:
    now, price = datetime.now(UTC), Money(4500, "EUR")
    line = WantedLine(slot, 1, price, "Half an hour at a desk", Place.IN_PERSON, 100, ("Anna Berg",))
    customer = Customer("Anna Berg", "anna@example.org", "Europe/Berlin", "de")
    return Attempt(
        id=new_id(),
        site_id=studio.site.id,
        hold_id=new_id(),
        fence=1,
        is_test=True,
        state=AttemptState.OPEN,
        secret_hash=hash_secret(new_id()),
        order_secret_hash=hash_secret(new_id()),
        digest=hash_secret(new_id()),
        wanted=WantedOrder(new_order_number(), customer, (line,), hash_secret(new_id()), hash_secret(new_id())),
        amount=price,
        created_at=now,
        pay_until=now + PAYMENT_WINDOW,
    )


def _days(studio: Studio, slots: Sequence[Slot]) -> list[str]:
    of_site = keys.of_site(studio.site.partition, SITE)
    return list(dict.fromkeys(of_site.seats(slot.id)[0] for slot in slots))


def _forget_all(studio: Studio) -> None:
    line = studio.line()
    line.ask("FLUSHALL")
    line.close()


def _held(studio: Studio, slots: Sequence[Slot]) -> int:
    line = studio.line()
    figures = [figure for day in _days(studio, slots) for figure in line.ask("HVALS", day)]
    line.close()
    trust(all(figure.split(":")[1] == str(_BOOKED) for figure in figures), "Something else is booked than SQL says.")
    return sum(int(figure.partition(":")[0]) for figure in figures)


def _raw(studio: Studio, slots: Sequence[Slot]) -> float:
    """As many keys of the same kinds, by somebody who knows all of them already and asks nothing."""
    line = studio.line()
    days = [(f"raw:{slot.starts_at:%Y%m%d}", f"{slot.starts_at:%H%M}Z.30") for slot in slots]
    pins = [_raw_pin(slot, new_id(), hash_secret(new_id())) for slot in slots[:PINS]]
    commands = [("HSET", day, field, "0:3:1:3:") for day, field in days] + [words for pin in pins for words in pin]
    began_at_s = time.perf_counter()
    for at in range(0, len(commands), _AT_ONCE):
        chunk = commands[at : at + _AT_ONCE]
        line.send(b"".join(pack(*words) for words in chunk))
        for _ in chunk:
            line.answer()
    took_s = time.perf_counter() - began_at_s
    line.close()
    return took_s


def _raw_pin(slot: Slot, hold_id: str, secret_hash: str) -> list[tuple[Word, ...]]:
    now = 1_700_000_000_000
    hold: list[Word] = ["state", "paying", "secret", secret_hash, "lines", f"{slot.id}:1", "deadline", now]
    hold += ["limit", now, "visitor", secret_hash, "network", secret_hash, "attempt", hold_id, "fence", 1]
    hold += ["resolve_by", now, "window", 900_000, "pins", 1, "version", 1]
    return [
        ("HSET", f"raw:hold:{hold_id}", *hold),
        ("ZADD", f"raw:slot:{slot.id}", "+inf", f"{hold_id}:1"),
        ("ZADD", "raw:due", now, f"studio/{hold_id}"),
        ("ZADD", f"raw:visitor:{hold_id}", "+inf", hold_id),
        ("ZADD", f"raw:network:{hold_id}", "+inf", hold_id),
    ]


_MEANING = f"""**Rebuild.** {SLOTS:,} meetings in SQL, {PINS:,} people at the pay page, and a Redis that has lost \
everything. Filling it closes the gate, raises the epoch, reads SQL in one snapshot, writes what is booked, sees to it \
that the seats of each payer can still be had, pins them, and opens the gate. The reference writes as many keys and \
fields of the same kinds, in pipelines of {_AT_ONCE:,}, and reads and looks at nothing."""
