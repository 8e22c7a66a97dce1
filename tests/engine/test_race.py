"""Many at once for few seats, and a control group that shows that the race is one."""

import asyncio

import pytest

from tests.engine.box import YOGA, Box, Recorded
from widget_server.domain.holds import Hold
from widget_server.engine.wire import Address
from widget_server.errors import SlotFull

pytestmark = pytest.mark.anyio

VISITORS, SEATS, PROCESSES = 200, 50, 8


async def test_two_hundred_visitors_get_fifty_seats(box: Box, redis_url: str) -> None:
    boxes = [Box(Recorded(Address(redis_url))) for _ in range(PROCESSES)]
    for process in boxes:
        process.capacity = SEATS

    answers = await asyncio.gather(
        *(boxes[number % PROCESSES].hold(f"visitor {number}") for number in range(VISITORS)), return_exceptions=True
    )

    assert sum(isinstance(answer, Hold) for answer in answers) == SEATS
    assert sum(isinstance(answer, SlotFull) for answer in answers) == VISITORS - SEATS
    assert (await box.seats()).held == SEATS
    for process in boxes:
        await process.connection.close()


async def test_control_group_whoever_reads_first_and_writes_then_sells_seats_twice(redis_url: str) -> None:
    connections = [Recorded(Address(redis_url)) for _ in range(PROCESSES)]
    for connection in connections:  # so that all are at the start line
        await connection.read(("SET", "control", 0))

    async def naively_hold(connection: Recorded) -> bool:
        (held,) = await connection.read(("GET", "control"))
        if int(held) >= SEATS:
            return False
        await connection.read(("INCRBY", "control", 1))
        return True

    granted = await asyncio.gather(*(naively_hold(connections[n % PROCESSES]) for n in range(VISITORS)))

    assert sum(granted) > SEATS
    for connection in connections:
        await connection.close()


async def test_one_id_sent_many_times_at_once_is_one_hold(box: Box) -> None:
    holds = await asyncio.gather(*(box.hold("anna", YOGA) for _ in range(20)))

    assert len({hold.expires_at for hold in holds}) == 1
    assert (await box.seats()).held == 1
