"""One pretend Stripe for these tests, and an account of its own for each. Whoever moves its clock opens another one."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.payments.shop import Shop, opened_shop
from tests.payments.till import Till
from widget_server.payments.fake_stripe.faults import Faults, Post


@pytest.fixture(scope="package")
async def pretend_stripe() -> AsyncIterator[Shop]:
    async with opened_shop() as shop:
        yield shop


@pytest.fixture
async def shop(pretend_stripe: Shop) -> Shop:
    books = pretend_stripe.books
    books.faults.let_all_go()
    books.faults, books.post = Faults(), Post()
    return replace(pretend_stripe, account=books.open_account())


@pytest.fixture
def till() -> Till:
    return Till()
