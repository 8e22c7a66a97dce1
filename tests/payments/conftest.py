"""A pretend Stripe for each test: starting one takes some milliseconds."""

from collections.abc import AsyncIterator

import pytest

from tests.payments.shop import Shop, opened_shop


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with opened_shop() as shop:
        yield shop
