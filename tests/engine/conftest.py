"""What the engine's tests stand on: the same over Valkey and Redis 7.0, on a clock that can be moved."""

from collections.abc import AsyncIterator

import pytest

from tests.engine.box import Box, Recorded
from tests.engine.servers import Valkey
from widget_server.engine.wire import Address


@pytest.fixture(params=["valkey", "oldest_redis"])
def redis_url(request: pytest.FixtureRequest) -> str:
    server: Valkey = request.getfixturevalue(request.param)
    return server.url


@pytest.fixture
async def connection(redis_url: str) -> AsyncIterator[Recorded]:
    connection = Recorded(Address(redis_url))
    yield connection
    await connection.close()


@pytest.fixture
async def box(connection: Recorded) -> AsyncIterator[Box]:
    """A site that is open for holds. After each test its counts must be right, whatever happened in it."""
    await connection.read(("FLUSHALL",))
    box = Box(connection)
    await box.fill()
    yield box
    await box.counts_are_right()
