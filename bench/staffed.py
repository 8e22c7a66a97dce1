"""A month of a service that forty people share: read again after each claim of one of them, and read unchanged."""

import time
from dataclasses import dataclass, field
from random import Random
from statistics import median

from bench.lean import HttpAnswers, RedisAnswers, drive
from bench.studio import SHIFT_DAYS, SITE, STAFF, STAFFED, STAFFED_SLOTS, Studio
from bench.table import ROUNDS, Bound, Row, Section, ratio, trust

BOOKED_BEFORE, CLAIMS, UNCHANGED = 1_000, 40, 200
_HEARD_S = 0.05
"""Until the process has surely heard of a claim, and told its widgets."""
_NO_OP = b"GET /healthz HTTP/1.1\r\nhost: bench\r\n\r\n"


@dataclass
class Times:
    """Of each turn the median of what one read took, in µs."""

    claimed: list[float] = field(default_factory=list)
    unchanged: list[float] = field(default_factory=list)
    no_op: list[float] = field(default_factory=list)


def measured(studio: Studio) -> Section:
    times, chance = Times(), Random(1)  # noqa: S311
    _claim(studio, chance, BOOKED_BEFORE)
    with studio.serving():
        _read_us(studio)
        for _ in range(ROUNDS):
            times.claimed.append(median(_after_a_claim_us(studio, chance) for _ in range(CLAIMS)))
            times.unchanged.append(_answered_us(studio, _unchanged(studio), b"HTTP/1.1 304 "))
            times.no_op.append(_answered_us(studio, _NO_OP, b"HTTP/1.1 200 "))
    return Section(
        [
            Row(
                f"Month of {STAFFED_SLOTS:,} slots that {STAFF} people share, warm, after a claim",
                f"{median(times.claimed) / 1000:.1f} ms",
                "",
                median(times.claimed) / 1000,
                unit="ms",
                must=Bound(50),
            ),
            Row(
                "the same, unchanged since (304)",
                f"{median(times.unchanged):,.0f} µs",
                f"{median(times.no_op):,.0f} µs, no-op route",
                ratio(times.unchanged, times.no_op),
                must=Bound(1.25),
            ),
        ],
        _MEANING,
    )


def _claim(studio: Studio, chance: Random, count: int) -> None:
    """Holds of one seat each, somewhere in the month; each claims one of those who are free."""
    packed = [studio.hold_call(offered).by_sha() for offered in chance.choices(studio.slots, k=count)]
    driven = drive(studio.redis_path, packed, RedisAnswers)
    granted = sum(isinstance(answer, list) and answer[0] == b"HELD" for (answer,) in driven.answers)
    trust(granted == count, f"Of {count} claims {granted} were granted.")


def _after_a_claim_us(studio: Studio, chance: Random) -> float:
    _claim(studio, chance, 1)
    time.sleep(_HEARD_S)
    return _read_us(studio)


def _read_us(studio: Studio) -> float:
    driven = drive(studio.address, [_request(studio)], HttpAnswers)
    answer: bytes = driven.answers[0]
    trust(answer.count(b'"held":') == STAFFED_SLOTS, "The answer does not have all slots.")
    return driven.took_s[0] * 1e6


def _unchanged(studio: Studio) -> bytes:
    answer: bytes = drive(studio.address, [_request(studio)], HttpAnswers).answers[0]
    etag = answer.partition(b"\r\netag: ")[2].partition(b"\r\n")[0].decode()
    return _request(studio, f"if-none-match: {etag}\r\n")


def _request(studio: Studio, header: str = "") -> bytes:
    path = f"/v1/sites/{SITE}/services/{STAFFED}/availability?from={studio.first_day}&to={studio.last_day}"
    return f"GET {path} HTTP/1.1\r\nhost: bench\r\n{header}\r\n".encode()


def _answered_us(studio: Studio, request: bytes, begins: bytes) -> float:
    driven = drive(studio.address, [request] * UNCHANGED, HttpAnswers)
    trust(all(answer.startswith(begins) for answer in driven.answers), f"Not every answer was {begins.decode()}.")
    return median(driven.took_s) * 1e6


_MEANING = f"""**Shared.** {STAFF} people, each with a shift of their own for each of {SHIFT_DAYS} days, share a \
service of quarters of an hour, ten hours a day; {BOOKED_BEFORE:,} seats of its month are taken before. *After a \
claim* is the whole answer over HTTP once another seat was taken, and with it one of the people for all slots that \
overlap: the time until it is read, so a little more than what the server works. *Unchanged* is asked by a browser \
that has it already."""
