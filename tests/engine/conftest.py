"""What the engine's tests stand on: the same over Valkey and Redis 7.0, on a clock that can be moved."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.engine.box import Box, Recorded
from tests.engine.declared import listening
from tests.engine.servers import Valkey
from widget_server.engine.wire import Address


@pytest.fixture(params=["valkey", "oldest_redis"])
def redis_url(request: pytest.FixtureRequest) -> str:
    server: Valkey = request.getfixturevalue(request.param)
    return server.url


@pytest.fixture
def only_declared(redis_url: str, valkey: Valkey) -> Iterator[None]:
    """After each test no script has touched a key that it was not given. One of the servers is enough for that."""
    if redis_url != valkey.url:
        yield
        return
    with listening(redis_url) as listener:
        yield
        assert listener.undeclared() == []


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
