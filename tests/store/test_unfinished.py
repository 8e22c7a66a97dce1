"""What an owner's first page asks at each visit is found by small indexes, however much was paid in all the years."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.store.plans import plan_of
from tests.store.studio import NOW
from widget_server.store.database import Database
from widget_server.store.unfinished import UnfinishedPayments

pytestmark = pytest.mark.anyio

Ask = Callable[[UnfinishedPayments], Awaitable[Any]]


@pytest.fixture
async def db(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(sqlite_url, tmp_path)
    yield database
    await database.close()


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda asked: asked.waiting(1), "ix_attempt_not_paid"),
        (lambda asked: asked.without_order(1, limit=50), "ix_attempt_not_paid"),
        (lambda asked: asked.refunds_waiting(1, NOW, with_test=False), "ix_refund_due_at"),
        (lambda asked: asked.refused(1, NOW - timedelta(days=90)), "ix_refund_failed"),
    ],
)
async def test_payments_that_went_well_are_not_looked_at(db: Database, ask: Ask, index: str) -> None:
    plan = await plan_of(db._reader, lambda: ask(UnfinishedPayments(db)))

    assert index in plan, plan
    assert "SCAN" not in plan
    assert "FOR ORDER BY" not in plan
