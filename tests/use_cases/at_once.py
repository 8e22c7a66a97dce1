"""A till for thousands of payments: the same code on SQL in memory and a Stripe without a socket, so nobody waits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import stripe
import structlog

from tests.payments.in_process import InProcess
from tests.payments.shop import Shop
from tests.use_cases.till import Till, opened_till
from widget_server import bootstrap
from widget_server.simulator.database import SimulatedDatabase, new_sql


class DatabaseAtOnce(SimulatedDatabase):
    """Begins with all tables, and nothing in them; there is one at a time."""

    def __init__(self, _url: str | None, _data_dir: Path) -> None:
        super().__init__(new_sql(), before=_nothing, after=_nothing)

    async def close(self) -> None:
        """The next one begins in its place."""


@asynccontextmanager
async def opened_till_at_once(redis_url: str, template: Path, folder: Path, shop: Shop) -> AsyncIterator[Till]:
    with pytest.MonkeyPatch.context() as patch, structlog.testing.capture_logs():
        patch.setattr(bootstrap, "Database", DatabaseAtOnce)
        patch.setattr(stripe, "HTTPXClient", lambda **_: InProcess(shop.served))
        async with opened_till(redis_url, template, folder, shop) as till:
            yield till


async def _nothing(_kind: str) -> None:
    pass
