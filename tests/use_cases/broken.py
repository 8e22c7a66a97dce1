"""Ways in which Redis may come to say something else than is so, each done by hand, and what an audit calls them."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from tests.house import SITE, Guest, House, slot
from widget_server.engine import keys
from widget_server.engine.wire import Word
from widget_server.use_cases.findings import Kind

Break = Callable[[House, Guest], Awaitable[None]]
"""Anna holds two seats of the first yoga class, and somebody else has booked one."""

OF_SITE = keys.of_site("tenuto", SITE)
GHOST = "a" * 22


def _day() -> tuple[str, str]:
    return OF_SITE.seats(slot().id)[0], slot().id.partition("T")[2]


def lines_key() -> str:
    return OF_SITE.seats(slot().id)[1]


async def _do(house: House, *command: Word) -> None:
    await house.redis.read(command)


async def _hold_of(house: House, anna: Guest, field: str) -> str:
    (value,) = await house.redis.read(("HGET", OF_SITE.hold(anna.id), field))
    return str(value)


async def _figures(house: House, change: Callable[[list[str]], None]) -> None:
    (figures,) = await house.redis.read(("HGET", *_day()))
    parts = figures.split(":")
    change(parts)
    await _do(house, "HSET", *_day(), ":".join(parts))


async def booked_of_the_same_version(house: House, _anna: Guest) -> None:
    await _figures(house, lambda parts: parts.__setitem__(1, "7"))


async def booked_forgotten(house: House, _anna: Guest) -> None:
    await house.rewind(slot())


async def booked_of_a_later_version(house: House, _anna: Guest) -> None:
    def change(parts: list[str]) -> None:
        parts[1], parts[3] = "3", "9"

    await _figures(house, change)


async def held_miscounted(house: House, _anna: Guest) -> None:
    await _figures(house, lambda parts: parts.__setitem__(0, "5"))


async def first_deadline_misread(house: House, _anna: Guest) -> None:
    await _figures(house, lambda parts: parts.__setitem__(4, "1"))


async def figures_unreadable(house: House, _anna: Guest) -> None:
    await _do(house, "HSET", *_day(), "many")


async def day_lost(house: House, _anna: Guest) -> None:
    await _do(house, "DEL", _day()[0])


async def line_of_nobody(house: House, _anna: Guest) -> None:
    await _do(house, "ZADD", lines_key(), "+inf", f"{GHOST}:2")


async def line_of_other_seats(house: House, anna: Guest) -> None:
    await _do(house, "ZADD", lines_key(), "+inf", f"{anna.id}:1")


async def lines_lost(house: House, _anna: Guest) -> None:
    await _do(house, "DEL", lines_key())


async def line_of_another_deadline(house: House, anna: Guest) -> None:
    await _do(house, "ZADD", lines_key(), "+inf", f"{anna.id}:2")


async def due_lost(house: House, _anna: Guest) -> None:
    await _do(house, "DEL", OF_SITE.partition.due)


async def due_at_another_time(house: House, anna: Guest) -> None:
    await _do(house, "ZADD", OF_SITE.partition.due, 9_000_000_000_000, f"{SITE}/{anna.id}")


async def nobody_due(house: House, _anna: Guest) -> None:
    await _do(house, "ZADD", OF_SITE.partition.due, 9_000_000_000_000, f"{SITE}/{GHOST}")


async def budget_lost(house: House, anna: Guest) -> None:
    await _do(house, "DEL", OF_SITE.visitor(await _hold_of(house, anna, "visitor")))


async def network_lost(house: House, anna: Guest) -> None:
    await _do(house, "DEL", OF_SITE.network(await _hold_of(house, anna, "network")))


async def budget_of_nobody(house: House, anna: Guest) -> None:
    await _do(house, "ZADD", OF_SITE.visitor(await _hold_of(house, anna, "visitor")), "+inf", GHOST)


async def budget_of_somebody_else(house: House, anna: Guest) -> None:
    await _do(house, "ZADD", OF_SITE.network("elsewhere"), "+inf", anna.id)


async def pin_not_due(house: House, anna: Guest) -> None:
    await house.pin(anna, window=timedelta(hours=1))
    await _do(house, "DEL", OF_SITE.partition.due)


BROKEN: dict[Break, set[Kind]] = {
    booked_of_the_same_version: {Kind.BOOKED},
    booked_forgotten: {Kind.BOOKED},
    booked_of_a_later_version: {Kind.BOOKED},
    held_miscounted: {Kind.HELD},
    first_deadline_misread: {Kind.HELD},
    figures_unreadable: {Kind.HELD, Kind.BOOKED},
    day_lost: {Kind.HELD, Kind.BOOKED},
    line_of_nobody: {Kind.HELD, Kind.LINE},
    line_of_other_seats: {Kind.HELD, Kind.LINE},
    lines_lost: {Kind.HELD, Kind.MISSING_LINE},
    line_of_another_deadline: {Kind.HELD, Kind.MISSING_LINE},
    due_lost: {Kind.DUE},
    due_at_another_time: {Kind.DUE},
    nobody_due: {Kind.DUE},
    budget_lost: {Kind.BUDGET},
    network_lost: {Kind.BUDGET},
    budget_of_nobody: {Kind.BUDGET},
    budget_of_somebody_else: {Kind.BUDGET},
    pin_not_due: {Kind.DUE},
}
