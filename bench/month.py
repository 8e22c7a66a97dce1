"""Reading a month of 1,488 slots: from Redis as a process does at first, and from memory as it does from then on."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import median
from typing import Any

from bench.lean import HttpAnswers, RedisAnswers, drive
from bench.studio import DAYS, SERVICE, SITE, SLOTS, Studio
from bench.table import ROUNDS, Bound, Row, Section, ratio, trust
from widget_server.engine import keys
from widget_server.engine.connection import connect
from widget_server.engine.reservations import Reservations
from widget_server.engine.wire import pack

COLD, WARM = 60, 200
_OF_THE_FEED, _OF_THE_BENCH = {"xread", "xrange", "xrevrange"}, {"info", "config|resetstat"}
_NO_OP = b"GET /healthz HTTP/1.1\r\nhost: bench\r\n\r\n"


@dataclass
class Times:
    """Of each turn the median of what one read took, in µs."""

    cold: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    unchanged: list[float] = field(default_factory=list)
    no_op: list[float] = field(default_factory=list)


def measured(studio: Studio) -> Section:
    _touch_every_slot(studio)
    times = Times()
    _read_cold(studio, times)
    with studio.serving():
        redis_calls = _read_warm(studio, times)
    return Section(
        [
            Row(
                f"Month of {SLOTS:,} slots, cold: from Redis to objects",
                f"{median(times.cold):,.0f} µs",
                f"{median(times.bare):,.0f} µs, the same `HGETALL`s in a pipeline",
                ratio(times.cold, times.bare),
            ),
            Row(
                "warm, over HTTP, whole",
                f"{median(times.whole):,.0f} µs",
                f"{median(times.no_op):,.0f} µs, no-op route",
                ratio(times.whole, times.no_op),
            ),
            Row(
                "warm, over HTTP, unchanged since (304)",
                f"{median(times.unchanged):,.0f} µs",
                f"{median(times.no_op):,.0f} µs, no-op route",
                ratio(times.unchanged, times.no_op),
            ),
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


def _read_warm(studio: Studio, times: Times) -> int:
    """How many commands Redis got meanwhile, but for those that listen to the feed."""
    whole, unchanged = _requests(studio)
    line = studio.line()
    line.forget_used()
    for _ in range(ROUNDS):
        times.no_op.append(_answered_us(studio, _NO_OP, b"HTTP/1.1 200 "))
        times.whole.append(_answered_us(studio, whole, b"HTTP/1.1 200 "))
        times.unchanged.append(_answered_us(studio, unchanged, b"HTTP/1.1 304 "))
    used = line.used()
    line.close()
    return sum(calls for name, (calls, _) in used.items() if name not in _OF_THE_FEED | _OF_THE_BENCH)


def _requests(studio: Studio) -> tuple[bytes, bytes]:
    """Ask for the month, and ask whether it is still the same. By then the process has read it."""
    path = f"/v1/sites/{SITE}/services/{SERVICE}/availability?from={studio.first_day}&to={studio.last_day}"
    head = f"GET {path} HTTP/1.1\r\nhost: bench\r\n"
    whole = f"{head}\r\n".encode()
    answer: bytes = drive(studio.address, [whole], HttpAnswers).answers[0]
    trust(answer.count(b'"held":') == SLOTS, "The answer does not have all slots.")
    etag = answer.partition(b"\r\netag: ")[2].partition(b"\r\n")[0].decode()
    return whole, f"{head}if-none-match: {etag}\r\n\r\n".encode()


def _answered_us(studio: Studio, request: bytes, begins: bytes) -> float:
    driven = drive(studio.address, [request] * WARM, HttpAnswers)
    trust(all(answer.startswith(begins) for answer in driven.answers), f"Not every answer was {begins.decode()}.")
    return median(driven.took_s) * 1e6


def _took_us(act: Any) -> float:
    began_at_s = time.perf_counter()
    act()
    return (time.perf_counter() - began_at_s) * 1e6


_MEANING = f"""**Month.** {DAYS} days of half hours, every one of the {SLOTS:,} slots held by somebody. *Cold* is \
what a process does that knows nothing yet: one pipeline of {DAYS} `HGETALL`s, the feed's last id and the gate, made \
into seats by slot; bare is just the `HGETALL`s over a blocking socket. *Warm* is the whole answer over HTTP on one \
connection, out of memory; *unchanged* the same for a browser that has it already. Valkey's own statistics tell that \
nobody asked it."""
