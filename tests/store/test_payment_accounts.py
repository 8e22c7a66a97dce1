"""Keys at Stripe: sealed for one site, mode and column, and kept for as long as something needs them."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import col, select

from tests.store.studio import NOW, found
from widget_server.domain.payment_accounts import AccountState, KeptAccount, shown
from widget_server.domain.payments import AttemptState, PaymentAccount, RefundState
from widget_server.domain.sites import Site
from widget_server.errors import PaymentsNotSetUp
from widget_server.ids import hash_secret, new_id
from widget_server.sealing import Seal
from widget_server.store.database import Database
from widget_server.store.payment_accounts import PaymentAccounts, put_check, put_removal
from widget_server.store.schedule import Schedules, put_settings
from widget_server.store.tables import AttemptRow, PaymentAccountRow, RefundRow, Table, values

pytestmark = pytest.mark.anyio

SEAL = Seal(b"the key of this server, long enough for one")
LIVE = PaymentAccount("sk_live_annas-secret-1234", "whsec_annas-webhook-5678")
TEST = PaymentAccount("sk_test_annas-other-secret-4242", "")


def kept(keys: PaymentAccount = LIVE) -> KeptAccount:
    return KeptAccount(
        is_test=keys is TEST,
        key_shown="…",
        webhook_shown="…" if keys.webhook_secret else None,
        name="Anna's studio",
        state=AccountState.ACCEPTED,
        checked_at=NOW,
        entered_at=NOW,
        webhook_entered_at=NOW if keys.webhook_secret else None,
        removed_at=None,
        is_readable=True,
    )


async def put(db: Database, site: Site, keys: PaymentAccount = LIVE, account: KeptAccount | None = None) -> None:
    async with db.transaction() as session:
        await PaymentAccounts(db, SEAL).put(session, site.id, account or kept(keys), keys)


async def remove(db: Database, site: Site, *, is_test: bool = False) -> bool:
    async with db.transaction() as session:
        return await put_removal(session, site.id, is_test=is_test, at=NOW)


async def attempt(db: Database, site: Site, state: AttemptState, *, is_test: bool = False) -> int:
    row = AttemptRow(
        public_id=new_id(),
        site_id=site.id,
        hold_id=new_id(),
        fence=1,
        is_test=is_test,
        state=state,
        secret_hash=hash_secret("hold"),
        order_secret_hash=hash_secret("order"),
        digest="",
        wanted={},
        amount_minor=4500,
        currency="EUR",
        was_paid=False,
        created_at=NOW,
        pay_until=NOW,
        tries=0,
    )
    async with db.transaction() as session:
        session.add(row)
    assert row.id is not None
    return row.id


async def set_state(db: Database, attempt_id: int, state: AttemptState) -> None:
    async with db.transaction() as session:
        row = await session.get(AttemptRow, attempt_id)
        assert row is not None
        row.state = state
        session.add(row)


async def takes_payments(db: Database, site: Site) -> bool:
    return (await Schedules(db).load(site.id)).takes_payments


async def dumped(db: Database) -> str:
    """All that stands in all tables."""
    async with db.snapshot() as session:
        connection = await session.connection()
        return str([(await connection.execute(table.select())).all() for table in Table.metadata.tables.values()])


async def test_keys_come_back_by_mode_and_stand_in_no_table(db: Database, site: Site) -> None:
    for keys in (LIVE, TEST):
        await put(db, site, keys)

    accounts = PaymentAccounts(db, SEAL)
    assert await accounts.find(site.id, is_test=False) == LIVE
    assert await accounts.find(site.id, is_test=True) == TEST
    assert [one.is_test for one in await accounts.kept(site.id)] == [False, True]
    dump = await dumped(db)
    assert "Anna's studio" in dump
    for secret in (LIVE.secret_key, LIVE.webhook_secret, TEST.secret_key):
        assert secret.rpartition("_")[2] not in dump


async def test_keys_show_no_secret_where_they_are_written_out() -> None:
    assert "annas" not in repr(LIVE)
    assert shown(LIVE.secret_key.replace("-", "")) == "sk_live_…1234"


async def test_a_site_without_keys_has_none(db: Database, site: Site) -> None:
    await put(db, site)
    other = await found(db, "other")
    accounts = PaymentAccounts(db, SEAL)

    assert not await accounts.kept(other.id)
    for unset in (accounts.find(other.id, is_test=False), accounts.find(site.id, is_test=True)):
        with pytest.raises(PaymentsNotSetUp):
            await unset


async def test_events_are_signed_with_secrets_that_are_there(db: Database, site: Site) -> None:
    await put(db, site)
    await put(db, site, TEST)

    assert await PaymentAccounts(db, SEAL).with_webhook(site.id) == [LIVE], "an empty secret signs nothing"


async def test_what_is_copied_to_another_site_does_not_open(db: Database, site: Site) -> None:
    await put(db, site)
    other = await found(db, "other")
    await put(db, other, TEST)
    async with db.transaction() as session:
        mine, theirs = (await session.exec(select(PaymentAccountRow).order_by(col(PaymentAccountRow.id)))).all()
        theirs.secret_key_enc, theirs.is_test = mine.secret_key_enc, mine.is_test
        session.add(theirs)

    with pytest.raises(PaymentsNotSetUp):
        await PaymentAccounts(db, SEAL).find(other.id, is_test=False)
    assert await PaymentAccounts(db, SEAL).find(site.id, is_test=False) == LIVE


async def test_another_server_key_reads_nothing_and_says_so(db: Database, site: Site) -> None:
    await put(db, site)
    changed = PaymentAccounts(db, Seal(b"another key, because somebody has set one"))

    with pytest.raises(PaymentsNotSetUp, match="another key"):
        await changed.find(site.id, is_test=False)
    (account,) = await changed.kept(site.id)
    assert not account.is_readable
    assert not account.takes_payments
    assert await changed.unreadable() == 1
    assert await PaymentAccounts(db, SEAL).unreadable() == 0


async def test_a_schedule_says_whether_the_mode_of_its_site_takes_payments(db: Database, site: Site) -> None:
    assert not await takes_payments(db, site)
    await put(db, site)
    assert await takes_payments(db, site)

    async with db.transaction() as session:
        await put_settings(session, replace(site, is_test=True))
    assert not await takes_payments(db, site), "in test mode it needs the others"
    await put(db, site, TEST)
    assert await takes_payments(db, site)
    async with db.transaction() as session:
        await put_check(session, site.id, replace(kept(TEST), state=AccountState.REFUSED))
    assert not await takes_payments(db, site), "Stripe does not take them any more"


async def test_what_stripe_said_of_other_keys_counts_no_more(db: Database, site: Site) -> None:
    await put(db, site, account=replace(kept(), entered_at=NOW + timedelta(minutes=1)))

    async with db.transaction() as session:
        await put_check(session, site.id, replace(kept(), state=AccountState.REFUSED))

    (account,) = await PaymentAccounts(db, SEAL).kept(site.id)
    assert account.state is AccountState.ACCEPTED


async def test_removed_keys_take_nothing_new_and_go_once_nothing_needs_them(db: Database, site: Site) -> None:
    await put(db, site)
    paying = await attempt(db, site, AttemptState.CAPTURING)
    await attempt(db, site, AttemptState.PAID)
    accounts = PaymentAccounts(db, SEAL)

    assert await remove(db, site)
    assert not await remove(db, site), "a second time there is nothing to remove"

    assert not await takes_payments(db, site)
    assert await accounts.forget_removed() == 0
    assert await accounts.find(site.id, is_test=False) == LIVE, "somebody is just paying"
    assert await accounts.under_way(site.id, is_test=False) == 1
    await set_state(db, paying, AttemptState.PAID)
    assert await accounts.forget_removed() == 1
    assert not await accounts.kept(site.id)


async def test_a_refund_that_waits_keeps_removed_keys_and_those_of_others_do_not(db: Database, site: Site) -> None:
    await put(db, site)
    other = await found(db, "other")
    await put(db, other)
    paid = await attempt(db, site, AttemptState.PAID)
    await attempt(db, other, AttemptState.OPEN, is_test=True)
    refund = RefundRow(
        public_id=new_id(),
        site_id=site.id,
        attempt_id=paid,
        order_id=new_id(),
        amount_minor=100,
        currency="EUR",
        reason="operator",
        state=RefundState.WAITING,
        tries=0,
        created_at=NOW,
    )
    async with db.transaction() as session:
        session.add(RefundRow(**values(refund)))

    for one in (site, other):
        await remove(db, one)
    accounts = PaymentAccounts(db, SEAL)

    assert await accounts.forget_removed() == 1
    assert await accounts.under_way(site.id, is_test=False) == 1
    assert await accounts.find(site.id, is_test=False) == LIVE
    assert not await accounts.kept(other.id)


async def test_keys_entered_again_are_there_as_if_never_removed(db: Database, site: Site) -> None:
    await put(db, site)
    await remove(db, site)
    await put(db, site)

    assert await takes_payments(db, site)
    assert await PaymentAccounts(db, SEAL).forget_removed() == 0
