"""A month of a service that forty people share: read again after each claim of one of them, and while nothing moves."""

import time
from random import Random
from statistics import median

from bench.lean import RedisAnswers, drive
from bench.reading import Reads, month_us, sending
from bench.studio import SHIFT_DAYS, STAFF, STAFFED_SLOTS, Studio
from bench.table import ROUNDS, Bound, Row, Section, trust

BOOKED_BEFORE, CLAIMS = 1_000, 40
_HEARD_S = 0.05
"""Until the process has surely heard of a claim, and told its widgets."""


def measured(studio: Studio) -> Section:
    claimed, chance = list[float](), Random(1)  # noqa: S311
    _claim(studio, chance, BOOKED_BEFORE)
    with studio.serving(), sending() as sender:
        month_us(studio)
        reads = Reads(sender)
        for _ in range(ROUNDS):
            claimed.append(median(_after_a_claim_us(studio, chance) for _ in range(CLAIMS)))
            reads.take_turn(studio)
    return Section(
        [
            Row(
                f"Month of {STAFFED_SLOTS:,} slots that {STAFF} people share, warm, after a claim",
                f"{median(claimed) / 1000:.1f} ms",
                "",
                median(claimed) / 1000,
                unit="ms",
                must=Bound(50),
            ),
            *reads.rows("the same, over HTTP"),
        ],
        _MEANING,
    )


def _claim(studio: Studio, chance: Random, count: int) -> None:
    """Holds of one seat each, somewhere in the month; each claims one of those who are free."""
    packed = [studio.hold_call(offered).by_sha() for offered in chance.choices(studio.slots, k=count)]
    driven = drive(studio.redis_path, packed, RedisAnswers)
    granted = sum(isinstance(answer, list) and answer[0][0] == b"HELD" for (answer,) in driven.answers)
    trust(granted == count, f"Of {count} claims {granted} were granted.")


def _after_a_claim_us(studio: Studio, chance: Random) -> float:
    _claim(studio, chance, 1)
    time.sleep(_HEARD_S)
    return month_us(studio)


_MEANING = f"""**Shared.** {STAFF} people, each with a shift of their own for each of {SHIFT_DAYS} days, share a \
service of quarters of an hour, ten hours a day; {BOOKED_BEFORE:,} seats of its month are taken before. *After a \
claim* is the whole answer over HTTP once another seat was taken, and with it one of the people for all slots that \
overlap: the time until it is read, so a little more than what the server works. The rows below it are read \
while nothing moves, as those of the month above."""
