"""Money of paid orders goes back: by the policy they were sold with, as operators decide, and once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from tests.house import PRIVATE, slot
from tests.use_cases.test_blackouts import black_out
from tests.use_cases.till import KEY, LESSON, Payer, Till, hear_all
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.blackouts import Blackout
from widget_server.domain.impact import Choice, Chosen
from widget_server.domain.messages import Kind, Role
from widget_server.domain.money import Money
from widget_server.domain.orders import OrderState
from widget_server.domain.payment_accounts import AccountState
from widget_server.domain.payments import AttemptState
from widget_server.domain.slots import Slot
from widget_server.errors import InvalidRequest, NotFound, PaymentsAway
from widget_server.sealing import Seal
from widget_server.store import clearings
from widget_server.store.tables import PaymentAccountRow, RefundRow
from widget_server.use_cases.edits import fingerprint_of

pytestmark = pytest.mark.anyio
NEXT = slot(PRIVATE, number=1)


@pytest.fixture
async def anna(till: Till) -> Payer:
    """She has paid two lessons: two seats of the first, one of the next."""
    anna = Payer()
    await till.paid(anna, (LESSON, 2), (NEXT, 1))
    return anna


async def entry(till: Till, *, form_key: str | None = None) -> Entry:
    """Of mia, who is the first operator there is."""
    sites, site = till.house.parts.use_cases.sites, await till.house.site()
    await sites.set_up(await sites.first_run_token(site), "mia@example.org", "seven quiet herons", network="x")
    return Entry(site.id, 1, Deed.REFUNDED, datetime.now(UTC), form_key=form_key)


async def cancel(till: Till, anna: Payer, only: Slot | None = None) -> None:
    await till.house.parts.use_cases.bookings.cancel(anna.order_ref, only=only)


async def test_who_cancels_in_time_gets_what_the_policy_says(till: Till) -> None:
    await till.house.change_service(replace(PRIVATE, refund_percent=50))
    anna = Payer()
    await till.paid(anna, (LESSON, 1))
    await till.house.change_service(replace(PRIVATE, refund_percent=0))

    await cancel(till, anna)
    assert await till.refunds(anna) == [(2250, "cancelled", "waiting")]
    await till.work()
    assert await till.refunds(anna) == [(2250, "cancelled", "done")]
    assert till.shop.taken_minor == 2250
    assert (await till.order(anna)).state is OrderState.PAID


async def test_bookings_are_paid_back_one_by_one_and_at_the_end_the_order_is_refunded(till: Till, anna: Payer) -> None:
    await cancel(till, anna, NEXT)
    await till.work()
    assert till.shop.taken_minor == 9000

    await cancel(till, anna)
    await cancel(till, anna)
    await till.work()
    assert till.shop.taken_minor == 0
    order = await till.order(anna)
    assert order.state is OrderState.REFUNDED
    assert order.payment is not None
    assert (order.payment.refunded_minor, order.payment.refunding_minor) == (13_500, 0)


async def test_who_pays_nothing_back_has_no_refund(till: Till) -> None:
    await till.house.change_service(replace(PRIVATE, refund_percent=0))
    anna = Payer()
    await till.paid(anna)

    await cancel(till, anna)
    assert await till.refunds(anna) == []


async def test_an_operator_gives_back_a_part_and_never_more_than_is_left(till: Till, anna: Payer) -> None:
    refunding, site = till.house.parts.use_cases.refunding, await till.house.site()
    first = await entry(till, form_key="form-1")

    refund = await refunding.refund(site.id, anna.id, Money(5000, "EUR"), entry=first)
    assert await refunding.refund(site.id, anna.id, Money(5000, "EUR"), entry=first) == refund
    assert await refunding.left(site.id, anna.id) == Money(8500, "EUR")
    for wrong in (Money(8501, "EUR"), Money(0, "EUR"), Money(100, "USD")):
        with pytest.raises(InvalidRequest):
            await refunding.refund(site.id, anna.id, wrong, entry=replace(first, form_key="form-2"))
    await till.work()
    assert till.shop.taken_minor == 8500
    await cancel(till, anna)
    await till.work()
    assert till.shop.taken_minor == 0


async def plain_mails(till: Till, anna: Payer) -> list[tuple[str, str]]:
    """Kind and text of what she is told of money that goes back, the newest first."""
    while await till.house.parts.posting.post():
        pass
    told = await till.house.parts.use_cases.messages.of_order(await till.house.site(), anna.id)
    kinds = (Kind.CANCELLED, Kind.REFUNDED)
    return [(one.kind, one.mail.plain) for one in told if one.kind in kinds and one.mail and one.role is Role.CUSTOMER]


async def test_who_gets_something_back_is_told_how_much_once(till: Till) -> None:
    anna, form = Payer(), await entry(till, form_key="form-1")
    await till.paid(anna)
    refunding, site = till.house.parts.use_cases.refunding, await till.house.site()
    for _ in range(2):
        await refunding.refund(site.id, anna.id, Money(500, "EUR"), entry=form)
        await refunding.refund_due()
    ((kind, plain),) = await plain_mails(till, anna)
    assert (kind, "5,00 \u20ac gehen an Sie zur\u00fcck" in plain) == (Kind.REFUNDED, True), plain

    await cancel(till, anna)
    (cancelled, plain), _ = await plain_mails(till, anna)
    assert (cancelled, "40,00 \u20ac gehen an Sie zur\u00fcck" in plain) == (Kind.CANCELLED, True), plain


async def test_who_cancels_and_gets_nothing_back_is_told_so(till: Till) -> None:
    await till.house.change_service(replace(PRIVATE, refund_percent=0))
    anna = Payer()
    await till.paid(anna)

    await cancel(till, anna)
    ((_, plain),) = await plain_mails(till, anna)
    assert "geht nichts zur\u00fcck" in plain


async def test_the_customer_is_told_of_money_once_stripe_has_taken_it_on(till: Till, anna: Payer) -> None:
    refunding, site, by_mia = till.house.parts.use_cases.refunding, await till.house.site(), await entry(till)
    till.shop.faults.plan("refund", "forbidden")
    await refunding.refund(site.id, anna.id, Money(1000, "EUR"), entry=replace(by_mia, form_key="form-1"))
    await refunding.refund_due()
    assert [state for *_, state in await till.refunds(anna)] != ["done"]
    assert "refunded" not in await till.messages(anna)

    await refunding.refund(site.id, anna.id, Money(2000, "EUR"), entry=replace(by_mia, form_key="form-2"))
    await till.work()
    assert (await till.messages(anna)).count("refunded") == [state for *_, state in await till.refunds(anna)].count(
        "done"
    )


async def close_the_day(till: Till, choice: Choice = Choice.CANCEL) -> None:
    """And cancel everybody who comes that day, or ask them to choose another one."""
    day = Blackout(LESSON.starts_at.date(), LESSON.starts_at.date())
    shown = await black_out(till.house, day)
    seen = fingerprint_of(shown.bookings)
    edited = await black_out(till.house, day, choice=Chosen(choice, bookings_seen=seen))
    assert edited.is_saved


@pytest.mark.parametrize("choice", [Choice.CANCEL, Choice.MOVE])
async def test_who_cancels_before_a_decided_edit_has_come_to_them_loses_nothing_by_that(
    till: Till, monkeypatch: pytest.MonkeyPatch, choice: Choice
) -> None:
    monkeypatch.setattr(clearings, "AT_ONCE", 1)
    await till.house.change_service(replace(PRIVATE, refund_percent=0))
    anna, ben = Payer(), Payer(name="Ben Oak")
    for payer in (anna, ben):
        await till.paid(payer)

    await close_the_day(till, choice)
    await cancel(till, anna)
    assert await till.refunds(anna) == [(4500, "cancelled", "waiting")]


async def test_who_is_cancelled_with_a_day_that_is_closed_gets_all_back_that_is_left(till: Till) -> None:
    await till.house.change_service(replace(PRIVATE, refund_percent=0))
    anna, ben = Payer(), Payer(name="Ben Oak")
    await till.paid(anna, (LESSON, 2), (NEXT, 1))
    await till.paid(ben)
    site, refunding = await till.house.site(), till.house.parts.use_cases.refunding
    await refunding.refund(site.id, anna.id, Money(3500, "EUR"), entry=await entry(till))

    await close_the_day(till)
    assert await till.refunds(anna) == [(3500, "operator", "waiting"), (10_000, "cancelled", "waiting")]
    assert await till.refunds(ben) == [(4500, "cancelled", "waiting")]
    await till.work()
    assert till.shop.taken_minor == 0
    assert (await till.order(anna)).state is OrderState.REFUNDED


async def test_nobody_is_cancelled_or_asked_to_move_whose_money_is_just_being_taken(till: Till) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))
    till.shop.faults.plan("capture", "busy", times=2)
    with pytest.raises(PaymentsAway):
        await till.settle(anna)
    assert (await till.attempt(anna)).state == AttemptState.CAPTURING

    for choice in (Choice.CANCEL, Choice.MOVE):
        with pytest.raises(InvalidRequest, match="just being paid"):
            await close_the_day(till, choice)
    assert await till.messages(anna) == []
    assert await till.settle(anna) is AttemptState.PAID
    await close_the_day(till)
    await till.work()
    assert till.shop.taken_minor == 0


async def test_nothing_goes_back_of_what_was_never_paid(till: Till) -> None:
    anna = Payer()
    await till.at_the_page(anna)
    refunding, site = till.house.parts.use_cases.refunding, await till.house.site()

    with pytest.raises(NotFound):
        await refunding.left(site.id, anna.id)
    with pytest.raises(NotFound):
        await refunding.refund(site.id, anna.id, Money(100, "EUR"), entry=await entry(till))


async def test_an_operator_who_cancels_gives_all_back_unless_they_say_otherwise(till: Till) -> None:
    await till.house.change_service(replace(PRIVATE, refund_percent=0))
    anna, ben = Payer(), Payer(name="Ben Oak")
    for payer in (anna, ben):
        await till.paid(payer)
    site, by = await till.house.site(), await entry(till)

    await till.house.store.cancel(site.id, anna.id, by.at, entry=by)
    await till.house.store.cancel(site.id, ben.id, by.at, entry=by, refund_percent=10)
    assert await till.refunds(anna) == [(4500, "cancelled", "waiting")]
    assert await till.refunds(ben) == [(450, "cancelled", "waiting")]


@pytest.mark.parametrize(("trouble", "after"), [("cut", True), ("broken", True), ("busy", False)])
async def test_a_refund_whose_answer_is_lost_happens_once(till: Till, anna: Payer, trouble: str, after: bool) -> None:
    till.shop.faults.plan("refund", trouble, after=after)

    await cancel(till, anna, NEXT)
    await till.work()
    assert await till.refunds(anna) == [(4500, "cancelled", "done")]
    assert till.shop.taken_minor == 9000


async def test_keys_that_may_give_nothing_back_are_looked_at_and_it_goes_back_with_others(
    till: Till, anna: Payer
) -> None:
    """Everything else they may do: so nobody who pays would notice."""
    accounts, site = till.house.parts.use_cases.payment_accounts, await till.house.site()
    await cancel(till, anna)
    till.shop.faults.plan("refund", "forbidden", times=2)

    await till.house.parts.use_cases.refunding.refund_due()
    await accounts.check_unchecked()
    kept = (await accounts.all_of(site)).live
    assert kept is not None
    assert kept.state is AccountState.REFUSED
    await till.work()
    assert till.shop.taken_minor == 0


async def test_what_went_back_for_one_refund_is_not_taken_for_another(till: Till, anna: Payer) -> None:
    refunding = till.house.parts.use_cases.refunding
    till.shop.faults.plan("refund", "cut", after=True)
    await cancel(till, anna, LESSON)
    await refunding.refund_due()
    till.shop.faults.plan("refund", "busy")
    await cancel(till, anna, NEXT)
    await refunding.refund_due()
    assert till.shop.taken_minor == 4500

    async with till.house.parts.database.transaction() as session:
        in_two_hours = datetime.now(UTC) + timedelta(hours=2)
        await session.exec(update(RefundRow).where(col(RefundRow.amount_minor) == 9000).values(due_at=in_two_hours))
    await till.later(timedelta(hours=1))
    await refunding.refund_due()
    await till.later(timedelta(hours=1))
    await till.work()
    assert await till.refunds(anna) == [(9000, "cancelled", "done"), (4500, "cancelled", "done")]
    assert till.shop.taken_minor == 0


async def test_what_somebody_gave_back_at_stripe_is_noticed_and_counted(till: Till, anna: Payer) -> None:
    till.shop.books.refund(await till.session_of(anna), 13_000)
    await hear_all(till)

    assert await till.refunds(anna) == [(13_000, "at_stripe", "done")]
    await cancel(till, anna)
    await till.work()
    assert await till.refunds(anna) == [(13_000, "at_stripe", "done"), (500, "cancelled", "done")]
    assert (await till.order(anna)).state is OrderState.REFUNDED
    assert await till.settle(anna) is AttemptState.PAID
    assert len(await till.refunds(anna)) == 2


@pytest.mark.parametrize("is_heard", [False, True], ids=["unheard", "heard in between"])
async def test_what_was_given_back_at_stripe_before_we_knew_leaves_the_rest_to_go_back(
    till: Till, anna: Payer, is_heard: bool
) -> None:
    till.shop.letters()
    till.shop.books.refund(await till.session_of(anna), 1_000)
    await cancel(till, anna)
    if is_heard:  # as much is on its way, so it says nothing
        await hear_all(till)

    await till.work()
    assert await till.refunds(anna) == [(12_500, "cancelled", "done"), (1_000, "at_stripe", "done")]
    assert till.shop.taken_minor == 0
    assert (await till.order(anna)).state is OrderState.REFUNDED


async def test_what_was_paid_with_another_account_is_refused_and_not_asked_for_again_and_again(
    till: Till, anna: Payer
) -> None:
    other = till.shop.books.open_account(name="Another studio")
    async with till.house.parts.database.transaction() as session:
        (row,) = await session.exec(select(PaymentAccountRow))
        place = f"payment_account {row.site_id} live secret_key"
        row.secret_key_enc = Seal(KEY.encode()).close(other.secret_key, place=place)
    await cancel(till, anna)

    await till.work()
    assert await till.refunds(anna) == [(13_500, "cancelled", "failed")]


async def test_an_operator_is_not_given_another_amount_than_they_said_but_what_is_left(till: Till, anna: Payer) -> None:
    refunding, site, by_mia = till.house.parts.use_cases.refunding, await till.house.site(), await entry(till)
    till.shop.books.refund(await till.session_of(anna), 1_000)
    await refunding.refund(site.id, anna.id, Money(13_000, "EUR"), entry=by_mia)

    await till.work()
    assert await till.refunds(anna) == [(13_000, "operator", "failed"), (1_000, "at_stripe", "done")]
    assert await refunding.left(site.id, anna.id) == Money(12_500, "EUR")


@pytest.mark.parametrize("refused", [10_000, 1_000])
async def test_what_was_given_back_at_stripe_and_refused_later_is_left(till: Till, anna: Payer, refused: int) -> None:
    session, site = await till.session_of(anna), await till.house.site()
    for amount in (10_000, 1_000):
        till.shop.books.refund(session, amount)
        await hear_all(till)
    await till.house.parts.use_cases.refunding.refund(site.id, anna.id, Money(500, "EUR"), entry=await entry(till))
    await till.work()
    there = next(one for one in till.shop.account.refunds.values() if one.amount == refused)

    till.shop.books.finish_refund(there.id, why_not="declined")
    await hear_all(till)
    await till.work()
    left = await till.house.parts.use_cases.refunding.left(site.id, anna.id)
    assert left == Money(till.shop.taken_minor, "EUR") == Money(2_000 + refused, "EUR")


async def test_what_a_bank_refuses_of_what_was_given_back_at_stripe_is_left_also_while_another_refund_waits(
    till: Till, anna: Payer
) -> None:
    """As with iDEAL, for days: what went back of which nobody could say."""
    session, site = await till.session_of(anna), await till.house.site()
    till.shop.books.refund(session, 600)
    await hear_all(till)
    (there,) = till.shop.account.refunds.values()
    till.shop.account.refunds_wait = True
    await cancel(till, anna, NEXT)
    await till.work()

    till.shop.books.finish_refund(there.id, why_not="declined")
    await hear_all(till)
    ours = next(one for one in till.shop.account.refunds.values() if one is not there)
    till.shop.books.finish_refund(ours.id)
    await hear_all(till)
    await till.work()
    assert await till.refunds(anna) == [(600, "at_stripe", "failed"), (4500, "cancelled", "done")]
    left = await till.house.parts.use_cases.refunding.left(site.id, anna.id)
    assert left == Money(till.shop.taken_minor, "EUR") == Money(9_000, "EUR")


async def test_what_somebody_gave_back_at_stripe_in_place_of_what_a_bank_refused_is_counted(
    till: Till, anna: Payer
) -> None:
    """Both are heard at once: less has gone back than before."""
    await cancel(till, anna, NEXT)
    await till.work()
    (ours,) = till.shop.account.refunds.values()
    till.shop.books.finish_refund(ours.id, why_not="declined")
    till.shop.books.refund(await till.session_of(anna), 1_000)

    await hear_all(till)
    await till.work()
    assert await till.refunds(anna) == [(4500, "cancelled", "failed"), (1_000, "at_stripe", "done")]
    left = await till.house.parts.use_cases.refunding.left((await till.house.site()).id, anna.id)
    assert left == Money(till.shop.taken_minor, "EUR") == Money(12_500, "EUR")


async def test_a_refund_that_stripe_refuses_says_so_and_can_be_asked_for_anew(till: Till, anna: Payer) -> None:
    till.shop.account.refunds_wait = True
    await cancel(till, anna, NEXT)
    await till.work()
    (waiting,) = till.shop.account.refunds.values()
    till.shop.books.finish_refund(waiting.id, why_not="declined")

    await hear_all(till)
    await till.work()
    assert await till.refunds(anna) == [(4500, "cancelled", "failed")]
    payment = (await till.order(anna)).payment
    assert payment is not None
    assert (payment.refunded_minor, payment.refunding_minor, payment.refused_minor) == (0, 0, 4500)
    site = await till.house.site()
    assert await till.house.parts.use_cases.refunding.left(site.id, anna.id) == Money(13_500, "EUR")


async def test_a_refund_that_a_bank_refuses_after_it_was_done_is_not_done(till: Till, anna: Payer) -> None:
    await cancel(till, anna, NEXT)
    await cancel(till, anna)
    await till.work()
    assert (await till.order(anna)).state is OrderState.REFUNDED
    of_next = next(one for one in till.shop.account.refunds.values() if one.amount == 4500)

    till.shop.books.finish_refund(of_next.id, why_not="declined")
    await hear_all(till)
    await till.work()
    assert await till.refunds(anna) == [(4500, "cancelled", "failed"), (9000, "cancelled", "done")]
    order = await till.order(anna)
    assert order.state is OrderState.PAID
    assert order.payment is not None
    assert order.payment.refused_minor == 4500, "what went back for the other one is not for this"
    site = await till.house.site()
    assert await till.house.parts.use_cases.refunding.left(site.id, anna.id) == Money(4500, "EUR")
