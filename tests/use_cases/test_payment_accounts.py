"""Keys that are changed or removed while somebody is paying with them."""

import asyncio

import pytest

from tests.use_cases.till import KEY, Late, Payer, Till, take_payments
from widget_server.domain.payments import AttemptState, PaymentAccount
from widget_server.domain.sites import Site
from widget_server.errors import InvalidRequest, PaymentsNotSetUp, Unavailable
from widget_server.sealing import Seal
from widget_server.store.payment_accounts import PaymentAccounts
from widget_server.store.tables import OperatorRow
from widget_server.use_cases.scheduling import Write

pytestmark = pytest.mark.anyio


async def enter(till: Till, key: str, webhook: str = "") -> None:
    await till.house.parts.use_cases.payment_accounts.enter(
        await till.house.site(), is_test=False, secret_key=key, webhook_secret=webhook, operator_id=await operator(till)
    )


async def remove(till: Till) -> None:
    await till.house.parts.use_cases.payment_accounts.remove(
        await till.house.site(), is_test=False, operator_id=await operator(till)
    )


def stored(till: Till) -> PaymentAccounts:
    return PaymentAccounts(till.house.parts.database, Seal(KEY.encode()))


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


async def test_live_keys_wait_until_the_server_knows_where_customers_come_back_to(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(till.house.parts.use_cases.payment_accounts, "_has_address", False)

    with pytest.raises(InvalidRequest) as refused:
        await enter(till, another_key(till))
    assert "TENUTO_PUBLIC_URL" in refused.value.details["fields"]["secret_key"]


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


@pytest.mark.parametrize("is_open", [False, True], ids=["being opened", "just opened"])
async def test_keys_of_another_account_wait_for_who_begins_to_pay_while_they_are_looked_at(
    till: Till, monkeypatch: pytest.MonkeyPatch, is_open: bool
) -> None:
    """Else the page is of the account before, and nobody would hear that it was paid."""
    anna, opening = Payer(), till.shop.faults.stop("open")
    key = till.shop.books.open_account(secret_key="sk_live_ofAnotherStudio0001").secret_key
    await till.hold(anna)
    late = Late(till.house.parts.use_cases.payment_accounts._scheduling, "change", monkeypatch)
    entered = asyncio.create_task(enter(till, key))
    await late.is_there.wait()
    begun = asyncio.create_task(till.begin(anna))
    await opening.reached.wait()
    if is_open:
        opening.go()
        await begun

    late.may_go.set()
    with pytest.raises(InvalidRequest) as refused:
        await entered
    assert "begun to pay" in refused.value.details["fields"]["secret_key"]
    opening.go()
    await begun
    till.shop.books.pay(await till.session_of(anna))
    assert await till.settle(anna) is AttemptState.PAID
    await enter(till, key)


async def test_a_rolled_key_waits_for_who_begins_to_pay_and_for_nobody_once_those_before_are_removed(
    till: Till,
) -> None:
    anna, ben, key = Payer(), Payer(name="Ben Oak"), another_key(till)
    await till.hold(ben)
    opening = till.shop.faults.stop("open")
    begun = asyncio.create_task(till.at_the_page(anna))
    await opening.reached.wait()
    with pytest.raises(InvalidRequest) as refused:
        await enter(till, key)
    assert "remove the keys first" in refused.value.details["fields"]["secret_key"]

    await remove(till)
    with pytest.raises(PaymentsNotSetUp):
        await till.begin(ben)
    opening.go()
    session = await begun
    await enter(till, key)

    till.shop.books.pay(session)
    assert await till.settle(anna) is AttemptState.PAID


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


async def test_a_key_that_is_entered_again_while_somebody_pays_still_hears_of_it(till: Till) -> None:
    key, site = another_key(till), await till.house.site()
    await enter(till, key, "whsec_ofTheStudio0001")
    await till.at_the_page(Payer())
    await remove(till)

    await enter(till, key)

    kept = await stored(till).read(site.id, is_test=False)
    assert kept is not None
    assert kept[0].removed_at is None
    assert kept[1] == PaymentAccount(key, "whsec_ofTheStudio0001")


async def test_one_account_that_cannot_be_checked_keeps_back_no_other(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = await till.house.site()
    other = await till.house.found("other")
    await take_payments(till.house, till.shop, key="other")
    for each in (site, other):
        await stored(till).doubt(each.id, is_test=False)
    accounts = till.house.parts.use_cases.payment_accounts
    change, asked = accounts._scheduling.change, list[str]()

    async def away_for_the_first(of: Site, write: Write) -> int:
        asked.append(of.key)
        if len(asked) == 1:
            raise Unavailable("Redis is not there.")
        return await change(of, write)

    monkeypatch.setattr(accounts._scheduling, "change", away_for_the_first)
    await accounts.check_unchecked()

    assert sorted(asked) == ["other", "studio"]
    assert await stored(till).unchecked(10) == [((site if asked[0] == "studio" else other).id, False)]
