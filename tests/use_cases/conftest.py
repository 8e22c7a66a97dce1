from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.servers import Valkey
from tests.house import House, opened
from tests.payments.shop import Shop, opened_shop
from tests.use_cases.till import Till, opened_till
from widget_server.payments.fake_stripe.faults import Faults, Post


@pytest.fixture
async def another(house: House, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[House]:
    """A second process on the same Redis and SQL."""
    async with opened(house.redis_url, sqlite_template, tmp_path) as another:
        yield another


@pytest.fixture(scope="package")
async def pretend_stripe() -> AsyncIterator[Shop]:
    async with opened_shop() as shop:
        yield shop


@pytest.fixture
async def shop(pretend_stripe: Shop) -> Shop:
    """An account of the test's own at one pretend Stripe, which nothing goes wrong with yet."""
    books = pretend_stripe.books
    books.faults, books.post = Faults(), Post()
    return replace(pretend_stripe, account=books.open_account(name="Studio"))


@pytest.fixture
async def till(shop: Shop, empty_valkey: Valkey, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Till]:
    """A site that takes payments."""
    async with opened_till(empty_valkey.url, sqlite_template, tmp_path, shop) as till:
        yield till
