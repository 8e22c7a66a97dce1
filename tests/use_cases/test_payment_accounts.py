"""Keys that are changed or removed while somebody is paying with them."""

import pytest

from tests.use_cases.till import Payer, Till
from widget_server.domain.payments import AttemptState
from widget_server.errors import InvalidRequest
from widget_server.store.tables import OperatorRow

pytestmark = pytest.mark.anyio


async def enter(till: Till, key: str) -> None:
    await till.house.parts.use_cases.payment_accounts.enter(
        await till.house.site(), is_test=False, secret_key=key, webhook_secret="", operator_id=await operator(till)
    )


async def remove(till: Till) -> None:
    await till.house.parts.use_cases.payment_accounts.remove(
        await till.house.site(), is_test=False, operator_id=await operator(till)
    )


async def operator(till: Till) -> int:
    async with till.house.parts.database.transaction() as session:
        row = OperatorRow(email=f"{Payer().id.lower()}@example.org", password_hash="", created_at=till.settling.now())
        session.add(row)
    assert row.id is not None
    return row.id


def another_key(till: Till) -> str:
    """Of the same account, as after rolling it."""
    key = "sk_live_rolledByTheOwner0001"
    till.shop.books._accounts[key] = till.shop.account
    return key


async def test_a_rolled_key_takes_over_while_somebody_pays(till: Till) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)

    await enter(till, another_key(till))

    till.shop.books.pay(session)
    assert await till.settle(anna) is AttemptState.PAID


async def test_keys_of_another_account_wait_until_nobody_pays(till: Till) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)
    key = till.shop.books.open_account(secret_key="sk_live_ofAnotherStudio0001").secret_key
    accounts = till.house.parts.use_cases.payment_accounts

    for _ in range(2):  # the second time after they were removed
        with pytest.raises(InvalidRequest) as refused:
            await enter(till, key)
        assert "somebody is just paying, or paid back" in refused.value.details["fields"]["secret_key"]
        await remove(till)
    till.shop.books.pay(session)
    assert await till.settle(anna) is AttemptState.PAID

    await enter(till, key)
    kept = (await accounts.all_of(await till.house.site())).live
    assert kept is not None
    assert kept.key_shown == "sk_live_…0001"


async def test_keys_of_another_account_wait_until_nobody_is_paid_back(till: Till) -> None:
    anna = Payer()
    await till.paid(anna)
    await till.house.parts.use_cases.bookings.cancel(anna.order_ref)
    key = till.shop.books.open_account(secret_key="sk_live_ofAnotherStudio0001").secret_key

    with pytest.raises(InvalidRequest):
        await enter(till, key)
    await till.work()
    assert till.shop.taken_minor == 0
    await enter(till, key)


async def test_removed_keys_settle_what_is_under_way_and_then_go(till: Till) -> None:
    anna = Payer()
    session = await till.at_the_page(anna)
    accounts = till.house.parts.use_cases.payment_accounts

    await remove(till)
    assert (await accounts.all_of(await till.house.site())).under_way == {False: 1}
    till.shop.books.pay(session)
    assert await till.settle(anna) is AttemptState.PAID

    assert await accounts.forget_removed() == 1
    assert (await accounts.all_of(await till.house.site())).live is None
