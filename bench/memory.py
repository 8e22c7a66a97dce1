"""What Valkey keeps for a hold and for a day, in bytes."""

import asyncio

from bench.expiry import hold_all
from bench.lean import RedisLine
from bench.studio import SERVICE, Studio
from bench.table import Bound, Row, Section, trust
from widget_server.domain.bookings import BookedSeats
from widget_server.engine import keys
from widget_server.engine.connection import connect
from widget_server.engine.reservations import Reservations

HOLDS, WARM_UP, SLOTS_A_DAY = 20_000, 3_000, 48
"""The first of all holds also make what they share: days, slots and the due set."""


def measured(studio: Studio) -> Section:
    line = studio.line()
    asyncio.run(_book(studio))
    booked_bytes = _of_day(studio, line)
    hold_all(studio, studio.hold_calls(WARM_UP))
    before = _used(studio, line)
    hold_all(studio, studio.hold_calls(HOLDS))
    hold_bytes = (_used(studio, line) - before) / HOLDS
    held_bytes = _of_day(studio, line)
    line.close()
    return Section(
        [
            Row("Memory of a hold", f"{hold_bytes:.0f} B", "", hold_bytes, unit="B", must=Bound(768), aim=Bound(512)),
            Row(
                f"Memory of a day, {SLOTS_A_DAY} slots booked",
                f"{booked_bytes} B",
                "",
                booked_bytes,
                unit="B",
                must=Bound(1024),
            ),
            Row(f"the same, {SLOTS_A_DAY} slots held at this moment", f"{held_bytes} B", "", held_bytes, unit="B"),
        ],
        _MEANING,
    )


def _of_day(studio: Studio, line: RedisLine) -> int:
    day = keys.of_site(studio.site.partition, studio.site.key).day(SERVICE, studio.first_day)
    trust(line.ask("HLEN", day) == SLOTS_A_DAY, "A day has other slots than it should.")
    used: int = line.ask("MEMORY", "USAGE", day, "SAMPLES", 0)
    return used


async def _book(studio: Studio) -> None:
    """One seat of every slot of the first day."""
    connection = await connect(studio.redis_url)
    first = [offered.slot for offered in studio.slots[:SLOTS_A_DAY]]
    await Reservations(connection).set_booked(studio.site, [BookedSeats(slot, 1, 1) for slot in first])
    await connection.close()


def _used(studio: Studio, line: RedisLine) -> int:
    """All that Valkey has for data, but for the feed, whose length does not depend on how many holds are live."""
    line.ask("DEL", keys.of_partition(studio.site.partition).feed)
    fields = dict(field.split(":", 1) for field in line.ask("INFO", "memory").splitlines() if ":" in field)
    return int(fields["used_memory_dataset"]) + int(fields["used_memory_overhead"])


_MEANING = f"""**Memory.** What Valkey keeps in memory for {HOLDS:,} holds of one seat, taken by as many visitors \
of as many networks, spread over a month, for each of them; the feed is left out. A day is what \
`MEMORY USAGE` says of one day's counts, all of its {SLOTS_A_DAY} half hours booked; while a slot is held, it also \
tells when it may fall free."""
