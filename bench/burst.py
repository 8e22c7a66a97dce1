"""A hundred thousand holds that end in the same moment: how soon all of it is told, and what others feel of it."""

import threading
import time
from statistics import median

from bench.expiry import HOLD_ID, ends_told, hold_all, last_of_feed
from bench.lean import RedisLine
from bench.studio import Studio
from bench.table import Bound, Row, Section, percentile, trust
from widget_server.engine import keys
from widget_server.engine.calls import Call
from widget_server.engine.wire import Word, pack

ENDING = 100_000
_AT_ONCE = 1_000
_PAUSE_S = 0.005
_LATE_S = 60.0


def measured(studio: Studio) -> Section:
    deadlines = hold_all(studio, studio.hold_calls(ENDING))
    with studio.working() as filled:
        line = filled.line()
        began_at = last_of_feed(filled, line)
        others = _Others(filled)
        others.start()
        told_s = _told_all(filled, line, max(deadlines.values()), ENDING)
        others.end()
        ends = [hold_id for hold_id, _ in ends_told(filled, line, after=began_at)]
        line.close()
    bare_s = _ended_bare(studio)
    is_each_told_once = len(ends) == len(set(ends)) and deadlines.keys() <= set(ends)
    trust(is_each_told_once, f"Of {ENDING} holds {len(ends)} ends were told.")
    p99_ms = percentile(others.took_ms, 99)
    return Section(
        [
            Row(
                f"{ENDING:,} holds end at once: all told",
                f"{told_s:.1f} s",
                f"{bare_s:.1f} s, the same writes in pipelines",
                told_s,
                unit="s",
                must=Bound(4),
                aim=Bound(2),
            ),
            Row("the same, as a ratio", f"{told_s:.1f} s", f"{bare_s:.1f} s", told_s / bare_s),
            Row(
                "meanwhile another hold, p99",
                f"{p99_ms:.1f} ms",
                f"{median(others.took_ms):.1f} ms, its median",
                p99_ms,
                unit="ms",
                must=Bound(10),
            ),
        ],
        _MEANING,
    )


def _told_all(studio: Studio, line: RedisLine, last_ms: int, many: int) -> float:
    """Move the clock past all deadlines in one step, and wait until none of these holds is due any more."""
    of_partition = keys.of_partition(studio.site.partition)
    now_s, now_us = line.ask("TIME")
    line.ask("HINCRBY", of_partition.clock, "offset", last_ms - int(now_s) * 1000 - int(now_us) // 1000 + 1)
    began_at_s = time.perf_counter()
    while line.ask("ZCOUNT", of_partition.due, "-inf", last_ms):
        trust(time.perf_counter() < began_at_s + _LATE_S, f"The {many} holds did not end.")
        time.sleep(_PAUSE_S)
    return time.perf_counter() - began_at_s


def _ended_bare(studio: Studio) -> float:
    """As many holds are ended by somebody who knows all of them already, asks nothing, and has Redis to themselves."""
    ending = studio.hold_calls(ENDING)
    hold_all(studio, ending)
    packed = [b"".join(pack(*words) for words in _end(call)) for call in ending]
    line, gone = studio.line(), 0
    began_at_s = time.perf_counter()
    for at in range(0, ENDING, _AT_ONCE):
        some = packed[at : at + _AT_ONCE]
        line.send(b"".join(some))
        gone += sum(line.answer() for _ in range(6 * len(some)))
    took_s = time.perf_counter() - began_at_s
    line.close()
    trust(gone == 5 * ENDING, "What was to end was not all there.")  # of HSET, nothing is new
    return took_s


def _end(call: Call) -> list[tuple[Word, ...]]:
    """What is written of one hold when it ends; ours also counts its slot anew and tells the feed, for many at once."""
    _, _, due, _, hold, visitor, network, _, slot = call.keys
    site, hold_id = str(call.args[0]), str(call.args[HOLD_ID])
    return [
        ("ZREM", slot, f"{hold_id}:1"),
        ("HSET", hold, "state", "expired", "version", 2),
        ("EXPIRE", hold, 86_400),
        ("ZREM", visitor, hold_id),
        ("ZREM", network, hold_id),
        ("ZREM", due, f"{site}/{hold_id}"),
    ]


class _Others(threading.Thread):
    """Somebody else, who takes a hold every few milliseconds all the while."""

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self._packed = (call.by_sha() for call in studio.hold_calls(ENDING))
        self._line = studio.line()
        self._ended = threading.Event()
        self.took_ms: list[float] = []

    def run(self) -> None:
        for packed in self._packed:
            began_at_s = time.perf_counter()
            self._line.send(packed)
            ((code, *_),) = self._line.answer()
            self.took_ms.append((time.perf_counter() - began_at_s) * 1000)
            trust(code == "HELD", f"A hold was answered {code}.")
            if self._ended.wait(_PAUSE_S):
                return

    def end(self) -> None:
        self._ended.set()
        self.join()
        self._line.close()


_MEANING = f"""**Many ends at once.** The clock of the partition is moved past the deadlines of {ENDING:,} holds in \
one step, and a real `tenuto worker` ends them: *all told* is the time until the last of them has left the due set, \
and each end stands in the feed exactly once. All the while somebody else takes another hold every \
{_PAUSE_S * 1000:g} ms over a connection of their own. The reference writes of as many holds what is written of each \
when it ends, in pipelines of {_AT_ONCE:,}, with Redis to itself: it asks nothing, counts no slot and tells nobody."""
