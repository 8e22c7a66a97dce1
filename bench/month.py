"""Reading a month of 1,488 slots: from Redis as a process does at first, and from memory as it does from then on."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import median
from typing import Any

from bench.lean import RedisAnswers, drive
from bench.reading import Reads, month, sending
from bench.studio import DAYS, SERVICE, SITE, SLOTS, Studio
from bench.table import ROUNDS, Bound, Row, Section, ratio, trust
from widget_server.engine import keys
from widget_server.engine.connection import connect
from widget_server.engine.reservations import Reservations
from widget_server.engine.wire import pack

COLD = 60
_OF_THE_FEED, _OF_THE_BENCH = {"xread", "xrange", "xrevrange"}, {"info", "config|resetstat"}


@dataclass
class Times:
    """Of each turn the median of what one read took, in µs."""

    cold: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)


def measured(studio: Studio) -> Section:
    _touch_every_slot(studio)
    times = Times()
    _read_cold(studio, times)
    with studio.serving(), sending() as sender:
        reads = Reads(sender)
        redis_calls = _read_warm(studio, reads)
    return Section(
        [
            Row(
                f"Month of {SLOTS:,} slots, cold: from Redis to objects",
                f"{median(times.cold):,.0f} µs",
                f"{median(times.bare):,.0f} µs, the same `HGETALL`s in a pipeline",
                ratio(times.cold, times.bare),
            ),
            *reads.rows("warm, over HTTP"),
            Row("Redis calls for all warm reads", str(redis_calls), "", redis_calls, unit="", must=Bound(0)),
        ],
        _MEANING,
    )


def _touch_every_slot(studio: Studio) -> None:
    drive(studio.redis_path, [call.by_sha() for call in studio.hold_calls(SLOTS)], RedisAnswers, connections=8)


def _read_cold(studio: Studio, times: Times) -> None:
    days = [studio.first_day + timedelta(days=n) for n in range(DAYS)]
    of_site = keys.of_site(studio.site.partition, SITE)
    pipeline = b"".join(pack("HGETALL", of_site.day(SERVICE, day)) for day in days)
    line = studio.line()

    def bare() -> None:
        line.send(pipeline)
        found = sum(len(line.answer()) // 2 for _ in days)
        trust(found == SLOTS, f"{found} slots were read, not {SLOTS}.")

    with asyncio.Runner() as runner:
        connection = runner.run(connect(studio.redis_url))
        reservations = Reservations(connection)

        async def cold() -> list[float]:
            return [await one() for _ in range(COLD)]

        async def one() -> float:
            began_at_s = time.perf_counter()
            reading = await reservations.seats_of_days(studio.site, SERVICE, days)
            took_us = (time.perf_counter() - began_at_s) * 1e6
            trust(len(reading.seats) == SLOTS, f"{len(reading.seats)} slots were read, not {SLOTS}.")
            return took_us

        for _ in range(ROUNDS):
            times.cold.append(median(runner.run(cold())))
            times.bare.append(median(_took_us(bare) for _ in range(COLD)))
        runner.run(connection.close())
    line.close()


def _read_warm(studio: Studio, reads: Reads) -> int:
    """How many commands Redis got meanwhile, but for those that listen to the feed."""
    month(studio)  # by then the process has read it
    line = studio.line()
    line.forget_used()
    for _ in range(ROUNDS):
        reads.take_turn(studio)
    used = line.used()
    line.close()
    return sum(calls for name, (calls, _) in used.items() if name not in _OF_THE_FEED | _OF_THE_BENCH)


def _took_us(act: Any) -> float:
    began_at_s = time.perf_counter()
    act()
    return (time.perf_counter() - began_at_s) * 1e6


_MEANING = f"""**Month.** {DAYS} days of half hours, every one of the {SLOTS:,} slots held by somebody. *Cold* is \
what a process does that knows nothing yet: one pipeline of {DAYS} `HGETALL`s, the feed's last id and the gate, made \
into seats by slot; bare is just the `HGETALL`s over a blocking socket. *Warm* is the whole answer over HTTP on one \
connection, out of memory: browsers ask for it compressed, and so it is kept. Not compressed it is so large that most \
of its time goes into moving it; its reference is a route that only sends as many bytes (`bench/sender.py`). \
*Unchanged* is asked by a browser that has it already. Valkey's own statistics tell that nobody asked it."""
