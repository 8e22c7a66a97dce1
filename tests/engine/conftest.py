"""What the engine's tests stand on: the same over fakeredis, Valkey and Redis 7.0, on a clock that can be moved."""

from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.engine.box import Box, Recorded
from tests.engine.servers import fake_redis
from widget_server.engine.wire import Address


@pytest.fixture(params=["fakeredis", "valkey", "oldest_redis"])
async def redis_url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    if request.param != "fakeredis":
        yield request.getfixturevalue(request.param).url
        return
    with TemporaryDirectory(prefix="tenuto-") as folder:
        async with fake_redis(Path(folder)) as url:
            yield url


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
