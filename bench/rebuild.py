"""How fast a Redis is filled from SQL: what is booked of very many slots, and what is held of some of them."""

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
from widget_server.domain.holds import Line
from widget_server.domain.slots import OfferedSlot, Slot
from widget_server.engine import keys
from widget_server.engine.connection import connect
from widget_server.engine.reservations import Reservations
from widget_server.engine.wire import pack
from widget_server.ids import new_id
from widget_server.store.tables import MeetingRow

SLOTS, PINS = 100_000, 10_000
_LENGTH = timedelta(minutes=30)
_AT_ONCE, _HELD_AT_ONCE = 1_000, 100
_WINDOW = timedelta(hours=1)


def measured(studio: Studio) -> Section:
    filled_s, raw_s = asyncio.run(_measured(studio))
    return Section(
        [
            Row(
                f"Redis filled from SQL, {SLOTS:,} slots and {PINS:,} pins",
                f"{median(filled_s):.2f} s",
                f"{median(raw_s):.2f} s, {SLOTS:,} HSET in pipelines",
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
            _forget_days(studio, slots)
            began_at_s = time.perf_counter()
            count = await parts.use_cases.reconciliation.fill(SITE)
            filled_s.append(time.perf_counter() - began_at_s)
            trust(count == SLOTS, f"{count} slots were filled.")
            trust(_held(studio, slots) == PINS, "What is held was not counted.")
            raw_s.append(_raw(studio, slots))
        return filled_s, raw_s


@asynccontextmanager
async def _prepared(studio: Studio, slots: Sequence[Slot]) -> AsyncIterator[Parts]:
    """With a meeting of each slot in SQL, and pinned holds in Redis in some of them."""
    async with assembled(studio.settings, studio.redis_url) as parts:
        async with parts.database.transaction() as session:
            await session.exec(insert(MeetingRow).values(), params=[_meeting(studio, slot) for slot in slots])
        connection = await connect(studio.redis_url)
        site = await parts.sites.by_key(SITE)
        assert site is not None
        engine = Reservations(connection)
        for at in range(0, PINS, _HELD_AT_ONCE):
            await asyncio.gather(
                *(
                    engine.hold_and_pin(
                        site,
                        [Line(slot, 1)],
                        [OfferedSlot(slot, 10)],
                        schedule_version=site.schedule_version,
                        id=new_id(),
                        secret_hash=new_id(),
                        visitor=new_id(),
                        network=new_id(),
                        attempt="bench",
                        window=_WINDOW,
                    )
                    for slot in slots[at : at + _HELD_AT_ONCE]
                )
            )
        await connection.close()
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
        "booked": 3,
        "version": 3,
    }


def _days(studio: Studio, slots: Sequence[Slot]) -> list[str]:
    of_site = keys.of_site(studio.site.partition, SITE)
    return list(dict.fromkeys(of_site.seats(slot.id)[0] for slot in slots))


def _forget_days(studio: Studio, slots: Sequence[Slot]) -> None:
    line = studio.line()
    line.ask("DEL", *_days(studio, slots))
    line.close()


def _held(studio: Studio, slots: Sequence[Slot]) -> int:
    line = studio.line()
    figures = [figure for day in _days(studio, slots) for figure in line.ask("HVALS", day)]
    line.close()
    trust(all(figure.split(":")[1] == "3" for figure in figures), "Something else is booked than SQL says.")
    return sum(int(figure.partition(":")[0]) for figure in figures)


def _raw(studio: Studio, slots: Sequence[Slot]) -> float:
    """As many fields of as many hashes, by somebody who knows them already and asks nothing."""
    line = studio.line()
    names = [(f"raw:{slot.starts_at:%Y%m%d}", f"{slot.starts_at:%H%M}Z.30") for slot in slots]
    began_at_s = time.perf_counter()
    for at in range(0, SLOTS, _AT_ONCE):
        chunk = names[at : at + _AT_ONCE]
        line.send(b"".join(pack("HSET", day, field, "0:3:1:3:") for day, field in chunk))
        for _ in chunk:
            line.answer()
    took_s = time.perf_counter() - began_at_s
    line.ask("DEL", *dict.fromkeys(day for day, _ in names))
    line.close()
    return took_s


_MEANING = f"""**Rebuild.** {SLOTS:,} meetings in SQL, and {PINS:,} pinned holds in a Redis that has lost what it \
counted of every slot. Filling it closes the gate, raises the epoch, reads SQL in one snapshot, counts each slot's \
lines anew, writes it and opens the gate. The reference writes as many fields in pipelines of {_AT_ONCE:,}, and reads \
and counts nothing."""
