"""Taking a hold: over HTTP against the bare script, and the bare script against one that only counts."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from statistics import median
from typing import Any

from bench.expiry import HOLD_ID, LENGTH
from bench.lean import Address, Driven, HttpAnswers, RedisAnswers, drive
from bench.studio import SITE, Studio, free_port, started
from bench.table import ROUNDS, Bound, Row, Section, percentile, ratio, trust
from widget_server.engine import calls, keys
from widget_server.engine.gathering import LINES_AT_ONCE
from widget_server.engine.scripts import load
from widget_server.engine.wire import pack
from widget_server.ids import new_id

CONNECTIONS = 64
A_NETWORK = 40
"""So many holds come from each network, as from a school or an office: most meet its budget, none has spent it."""
OVER_HTTP, NAIVE, BARE, SLOT_ONLY, NOTHING, ROUTED, WARM_UP = 12_000, 6_000, 24_000, 24_000, 12_000, 6_000, 1_000

_SLOT_ONLY = """
local clock_key, day_key, slot_key = KEYS[1], KEYS[2], KEYS[3]
local hold_id, field, seats, capacity, length_ms = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local kept = redis.call('HMGET', clock_key, 'offset', 'seen')
local time = redis.call('TIME')
local machine = time[1] * 1000 + math.floor(time[2] / 1000)
if machine > tonumber(kept[2] or 0) then
  redis.call('HSET', clock_key, 'seen', string.format('%d', machine))
end
local held, booked, version = string.match(redis.call('HGET', day_key, field) or '0:0:0', '^(%d+):(%d+):(%d+)')
if held + booked + seats > capacity then
  return { 'FULL' }
end
local deadline = string.format('%d', machine + tonumber(kept[1] or 0) + length_ms)
if redis.call('ZADD', slot_key, 'NX', deadline, hold_id) == 1 then
  redis.call('HSET', day_key, field, string.format('%d:%d:%d:%s', held + seats, booked, version + 1, deadline))
end
return { 'HELD', deadline }
"""
_ROUTED = b"GET /healthz HTTP/1.1\r\nhost: bench\r\n\r\n"
_networks = count()


def measured(studio: Studio, reference: Studio) -> Section:
    bare = _Turns(BARE, lambda many: _bare(reference, many))
    together = _Turns(BARE, lambda many: _together(reference, many))
    slot_only = _Turns(SLOT_ONLY, lambda many: _slot_only(reference, many))
    with _naive(reference) as naive_at, _to_nothing() as nothing_at, studio.serving():
        http = _Turns(OVER_HTTP, lambda many: _posted(studio.address, studio, many))
        naive = _Turns(NAIVE, lambda many: _posted(naive_at, reference, many))
        nothing = _Turns(NOTHING, lambda many: _posted(nothing_at, studio, many))
        routed = _Turns(ROUTED, lambda many: _called(studio.address, many))
        # Beside the bare script those that it is compared with: this machine's pace changes within seconds.
        everything = (together, slot_only, bare, http, naive, nothing, routed)
        for turns in everything:
            turns.warm_up()
        for _ in range(ROUNDS):
            for turns in everything:
                turns.take()
    _all_counted(studio, http.granted)
    return Section(_rows(bare, http, naive, slot_only, together, nothing, routed), _MEANING)


class _Turns:
    """The rounds of one of those that take turns."""

    def __init__(self, many: int, once: Callable[[int], tuple[Driven, float]]) -> None:
        self._many = many
        self._once = once
        self.rates: list[float] = []
        self.p99_ms: list[float] = []
        self.server_us: list[float] = []
        self.granted = 0

    def warm_up(self) -> None:
        self.granted += len(self._once(WARM_UP)[0].answers)

    def take(self) -> None:
        driven, server_us = self._once(self._many)
        self.granted += len(driven.answers)
        self.rates.append(driven.rate)
        self.p99_ms.append(percentile(driven.took_s, 99) * 1000)
        self.server_us.append(server_us)


def _rows(
    bare: _Turns, http: _Turns, naive: _Turns, slot_only: _Turns, together: _Turns, nothing: _Turns, routed: _Turns
) -> list[Row]:
    reference = f"{median(bare.rates):,.0f}/s"
    return [
        Row(
            f"Hold over HTTP, {CONNECTIONS} connections, one process",
            f"{median(http.rates):,.0f}/s",
            f"{reference}, bare `EVALSHA`",
            ratio(http.rates, bare.rates),
            must=Bound(0.40, is_least=True),
            aim=Bound(0.60, is_least=True),
        ),
        Row(
            "for comparison: a naive route",
            f"{median(naive.rates):,.0f}/s",
            f"{reference}, bare `EVALSHA`",
            ratio(naive.rates, bare.rates),
        ),
        Row(
            "its p99",
            f"{median(http.p99_ms):.1f} ms",
            f"{median(nothing.p99_ms):.1f} ms, the same way to nothing",
            ratio(http.p99_ms, nothing.p99_ms),
        ),
        Row(
            "the same, beside an ordinary route",
            f"{median(http.p99_ms):.1f} ms",
            f"{median(routed.p99_ms):.1f} ms, no-op route through the framework",
            ratio(http.p99_ms, routed.p99_ms),
            must=Bound(3.0),
            aim=Bound(1.5),
        ),
        Row(
            "Hold script, server time",
            f"{median(bare.server_us):.1f} µs",
            f"{median(slot_only.server_us):.1f} µs, slot only",
            ratio(bare.server_us, slot_only.server_us),
            must=Bound(3.0),
            aim=Bound(2.0),
        ),
        Row(
            f"the same, for each of {LINES_AT_ONCE} that come together",
            f"{median(together.server_us):.1f} µs",
            f"{median(slot_only.server_us):.1f} µs, slot only",
            ratio(together.server_us, slot_only.server_us),
        ),
    ]


def _bare(studio: Studio, many: int) -> tuple[Driven, float]:
    packed = [call.by_sha() for call in studio.hold_calls(many, a_network=A_NETWORK)]
    return _scripts_run(studio, packed)


def _together(studio: Studio, many: int) -> tuple[Driven, float]:
    """As a web process asks for what is wanted in the same moment, all over the month."""
    slots, networks = studio.slots, [new_id() for _ in range(0, many, A_NETWORK)]
    wanted = [studio.wanted(slots[n % len(slots)], networks[n // A_NETWORK]) for n in range(many)]
    groups = [wanted[at : at + LINES_AT_ONCE] for at in range(0, many, LINES_AT_ONCE)]
    driven, server_us = _scripts_run(studio, [calls.hold(studio.terms, group).by_sha() for group in groups])
    return driven, server_us / LINES_AT_ONCE


def _slot_only(studio: Studio, many: int) -> tuple[Driven, float]:
    """The keys and arguments are of the real call, as far as they are needed."""
    sha = hashlib.sha1(_SLOT_ONLY.encode(), usedforsecurity=False).hexdigest()
    line = studio.line()
    line.ask("SCRIPT", "LOAD", _SLOT_ONLY)
    line.close()
    packed = []
    for call in studio.hold_calls(many):
        day, slot = (f"{key}:bare" for key in call.keys[-2:])
        slot_id, seats, _, capacity = call.args[-4:]
        args = [call.args[HOLD_ID], str(slot_id).partition("T")[2], seats, capacity, call.args[LENGTH]]
        packed.append(pack(b"EVALSHA", sha, 3, call.keys[1], day, slot, *args))
    return _scripts_run(studio, packed)


def _scripts_run(studio: Studio, packed: Sequence[bytes]) -> tuple[Driven, float]:
    """What was driven, and how long the server took for one, in µs."""
    line = studio.line()
    line.forget_used()
    driven = drive(studio.redis_path, packed, RedisAnswers, connections=CONNECTIONS)
    scripts, server_us = line.used()["evalsha"]
    line.close()
    granted = sum(_is_held(answer) for (answer,) in driven.answers)
    trust(scripts == granted == len(packed), f"Of {len(packed)} scripts {granted} said HELD.")
    return driven, server_us


def _is_held(answer: Any) -> bool:
    """Whether a script has said so of each of its holds; the slot-only script has one, and says it plainly."""
    if not isinstance(answer, list):
        return False
    return all(one[0] == b"HELD" for one in (answer if isinstance(answer[0], list) else [answer]))


def _posted(address: Address, studio: Studio, many: int) -> tuple[Driven, float]:
    slots = [offered.slot.id for offered in studio.slots]
    requests = [_post(slots[n % len(slots)]) for n in range(many)]
    driven = drive(address, requests, HttpAnswers, connections=CONNECTIONS)
    granted = sum(_is_granted(answer) for answer in driven.answers)
    trust(granted == many, f"Of {many} holds over HTTP {granted} were granted.")
    return driven, 0.0


def _post(slot_id: str) -> bytes:
    """As a browser and a proxy in front send it."""
    body = json.dumps({"id": new_id(), "visitor": new_id(), "lines": [{"slot": slot_id, "seats": 1}]}).encode()
    network = next(_networks) // A_NETWORK
    return (
        f"POST /v1/sites/{SITE}/holds HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {new_id()}\r\nx-forwarded-for: 10.{network >> 8 & 255}.{network & 255}.7\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body


def _called(address: Address, many: int) -> tuple[Driven, float]:
    driven = drive(address, [_ROUTED] * many, HttpAnswers, connections=CONNECTIONS)
    answered = sum(answer.startswith(b"HTTP/1.1 200 ") for answer in driven.answers)
    trust(answered == many, f"Of {many} calls of the no-op route {answered} were answered.")
    return driven, 0.0


def _is_granted(answer: Any) -> bool:
    return answer.startswith(b"HTTP/1.1 201 ") and b'"state":"held"' in answer


def _all_counted(studio: Studio, granted: int) -> None:
    held = studio.held_seats()
    trust(held == granted, f"{granted} holds were granted over HTTP, and Redis counts {held} seats.")


@contextmanager
def _naive(studio: Studio) -> Iterator[Address]:
    port = free_port()
    of_site = keys.of_site(studio.site.partition, SITE)
    versions = [str(studio.site.epoch), str(studio.schedule.version)]
    with started(
        ["-m", "bench.naive", str(port), studio.redis_url, of_site.prefix, load("hold").sha, *versions], says="Serving"
    ):
        yield "127.0.0.1", port


@contextmanager
def _to_nothing() -> Iterator[Address]:
    port = free_port()
    with started(["-m", "bench.no_op", str(port)], says="Serving"):
        yield "127.0.0.1", port


_MEANING = f"""**Hold.** One uvicorn process of `tenuto serve` with its embedded Valkey, and {CONNECTIONS} kept-alive \
connections that each ask for a hold again as soon as they have the last: every one another visitor, {A_NETWORK} of \
each network, spread over a month of slots, with budgets, idempotency, validation and security headers on, while the \
process follows the feed of its own holds. Every answer is checked to be a granted hold, and Redis to have counted \
them all. The bare reference is the same script with the same keys and arguments, one hold each, packed beforehand, \
sent over {CONNECTIONS} connections by the same lean client to the same Valkey with the same options, which nobody \
follows. The naive route is Starlette with a pool of redis-py connections (`bench/naive.py`); it checks next to \
nothing. The *same way to nothing* (`bench/no_op.py`) is our own server, asked for the same holds, which answers each \
as if it were granted once its body is there: what a hold takes longer is reading its body, looking at the schedule, \
and waiting for Redis. The no-op route is `/healthz`, which goes through the web framework, as holds do not (decision \
5): what an ordinary route takes at least. *Server time* is what Valkey counts for each `EVALSHA` of one hold, and \
for each hold where one is of several, as a web process asks for them when many want something in the same moment \
(decision 29); the slot-only script does for one slot what any hold has to do, and nothing else: read the clock that \
never goes back, compare the count with the capacity, add a line with its deadline, and write the count. It knows no \
gate, hold, secret, budget, due set or feed."""
