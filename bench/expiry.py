"""How late a hold ends: from its deadline to the feed entry that tells of it, while thousands of others are live."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from statistics import median

from bench.lean import RedisLine
from bench.studio import Studio
from bench.table import ROUNDS, Bound, Row, Section, percentile, trust
from widget_server.engine import keys
from widget_server.engine.calls import Call
from widget_server.engine.wire import Address

LIVE, ENDING_A_ROUND = 100_000, 600
_SENT_AT_ONCE = 1_000
_FIRST_MS, _SPREAD_MS = 1_000, 3_000
LENGTH, LIMIT, HOLD_ID = 3, 4, 8
"""Where they stand among the arguments of hold.lua for one hold."""
_AFTERWARDS_S = 0.5


def measured(studio: Studio) -> Section:
    hold_all(studio, studio.hold_calls(LIVE))
    live = _live(studio)
    late_ms: list[list[float]] = []
    bare_ms: list[list[float]] = []
    with studio.working() as filled:
        for _ in range(ROUNDS):
            late_ms.append(_ended(filled))
            bare_ms.append(asyncio.run(_told_bare(filled)))
    trust(_live(studio) == live, "Holds have ended that had time left.")
    p99, bare_p99 = ([percentile(turn, 99) for turn in turns] for turns in (late_ms, bare_ms))
    p50, bare_p50 = ([percentile(turn, 50) for turn in turns] for turns in (late_ms, bare_ms))
    bare = "a timer that knows the moments"
    return Section(
        [
            Row(
                f"Expiry lateness, {LIVE:,} live holds, p99",
                f"{median(p99):.0f} ms",
                f"{median(bare_p99):.0f} ms, {bare}",
                median(p99),
                unit="ms",
                must=Bound(25),
                aim=Bound(5),
            ),
            Row("the same, p50", f"{median(p50):.0f} ms", f"{median(bare_p50):.0f} ms, {bare}", median(p50), unit="ms"),
        ],
        _MEANING,
    )


def _ended(studio: Studio) -> list[float]:
    """How late each of some holds was ended, in ms, all of them once and none before its time."""
    line = studio.line()
    began_at = last_of_feed(studio, line)
    deadlines = hold_all(studio, [_ending_soon(call) for call in studio.hold_calls(ENDING_A_ROUND)])
    time.sleep((_FIRST_MS + _SPREAD_MS) / 1000 + _AFTERWARDS_S)
    told = ends_told(studio, line, after=began_at)
    line.close()
    trust(
        Counter(hold_id for hold_id, _ in told) == Counter(deadlines.keys()),
        f"Of {len(deadlines)} holds {len(told)} ends were told.",
    )
    late_ms = [float(at_ms - deadlines[hold_id]) for hold_id, at_ms in told]
    trust(min(late_ms) >= 0, f"A hold ended {-min(late_ms):.0f} ms early.")
    return late_ms


def _ending_soon(call: Call) -> Call:
    args = list(call.args)
    args[LENGTH] = args[LIMIT] = _FIRST_MS + random.randrange(_SPREAD_MS)  # noqa: S311
    return call._replace(args=args)


def hold_all(studio: Studio, calls: Sequence[Call]) -> dict[str, int]:
    """The deadlines of these holds, in ms on the clock of Redis."""
    deadlines: dict[str, int] = {}
    line = studio.line()
    for at in range(0, len(calls), _SENT_AT_ONCE):
        some = calls[at : at + _SENT_AT_ONCE]
        for call in some:
            line.send(call.by_sha())
        for call in some:
            ((code, *figures),) = line.answer()
            trust(code == "HELD", f"A hold was answered {code}.")
            deadlines[str(call.args[HOLD_ID])] = figures[0]
    line.close()
    return deadlines


def ends_told(studio: Studio, line: RedisLine, *, after: str) -> list[tuple[str, int]]:
    """Which holds the feed says have expired, and the moment of each entry in ms."""
    told = []
    for feed_id, (kind, text) in line.ask("XRANGE", _feed(studio), f"({after}", "+"):
        if kind == "seats":
            _, _, cause, hold_ids, _ = text.split(" ", 4)
            if cause == "expire":
                told += [(hold_id, int(feed_id.partition("-")[0])) for hold_id in hold_ids.split(",")]
    return told


def last_of_feed(studio: Studio, line: RedisLine) -> str:
    feed_id: str = line.ask("XREVRANGE", _feed(studio), "+", "-", "COUNT", 1)[0][0]
    return feed_id


def _live(studio: Studio) -> int:
    line = studio.line()
    offset = line.ask("HGET", keys.of_partition(studio.site.partition).clock, "offset")
    trust(int(offset or 0) == 0, "The machine's clock was set back meanwhile.")
    live: int = line.ask("ZCARD", keys.of_partition(studio.site.partition).due)
    line.close()
    return live


async def _told_bare(studio: Studio) -> list[float]:
    """The same by one who only sleeps until the next of some known moments, and adds an entry to a stream."""
    wire = await Address(studio.redis_url).open(silence_max_s=10)
    now_ms = time.time() * 1000
    moments_ms = sorted(now_ms + random.uniform(0, _SPREAD_MS) for _ in range(ENDING_A_ROUND))  # noqa: S311
    late_ms = []
    for moment_ms in moments_ms:
        await asyncio.sleep(max(0, moment_ms / 1000 - time.time()))
        told: str = await wire.ask("XADD", "bare", "MAXLEN", "~", 1000, "*", "moment", int(moment_ms))
        late_ms.append(max(0.0, int(told.partition("-")[0]) - moment_ms))
    wire.close()
    return late_ms


def _feed(studio: Studio) -> str:
    return keys.of_partition(studio.site.partition).feed


_MEANING = f"""**Expiry.** While {LIVE:,} holds and more are live, {ENDING_A_ROUND} others run out at random moments \
within {_SPREAD_MS / 1000:g} s, and a real `tenuto worker` ends them. Lateness is the time from the deadline that \
the hold was given to the id of the feed entry that says it has expired, both on the clock of Valkey, in whole \
milliseconds. Each end has to be told exactly once and none before its time. The reference is a loop that knows the \
moments, sleeps until the next and adds one entry to a stream: about what the machine's timers allow."""
