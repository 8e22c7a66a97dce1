"""The page on which owners enter their keys at Stripe: what is taken, what is refused, and that no secret shows."""

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response as Answer
from structlog.testing import capture_logs

from tests.engine.servers import Valkey
from tests.house import PRIVATE, House, opened
from tests.payments.shop import Shop, opened_shop
from tests.store.studio import FREE
from tests.store.test_payment_accounts import dumped
from tests.web.desks import Desk, desk_in
from widget_server.domain.audit_log import Deed
from widget_server.domain.payment_accounts import SECRET_LENGTH_MAX, AccountState, KeptAccount
from widget_server.sealing import Seal
from widget_server.store.payment_accounts import PaymentAccounts

pytestmark = pytest.mark.anyio

KEY, WEBHOOK = "sk_test_annasOwnSecretKey4242", "whsec_annasSigningSecret7777"
LIVE_KEY = "rk_live_annasRestrictedKey5151"
SECRETS = [secret.rpartition("_")[2] for secret in (KEY, WEBHOOK, LIVE_KEY)]


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with opened_shop(name="Studio Berg", secret_key=KEY, webhook_secret=WEBHOOK) as shop:
        shop.books.open_account(secret_key=LIVE_KEY)
        yield shop


@pytest.fixture
async def house(shop: Shop, empty_valkey: Valkey, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[House]:
    async with opened(empty_valkey.url, sqlite_template, tmp_path, stripe_url=shop.url) as house:
        yield house


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with desk_in(house) as desk:
        yield desk


async def enter(desk: Desk, mode: str = "test", key: str = KEY, webhook: str = "") -> Answer:
    return await desk.post(f"/payments/{mode}", **{f"{mode}_secret_key": key, f"{mode}_webhook_secret": webhook})


async def account(desk: Desk, mode: str = "test") -> KeptAccount | None:
    accounts = await desk.house.parts.use_cases.payment_accounts.all_of(await desk.house.site(desk.site))
    return accounts.of(is_test=mode == "test")


async def deeds(desk: Desk) -> list[str]:
    return [entry.deed for entry in await desk.entries()]


async def takes_payments(desk: Desk) -> bool:
    """As this process learns of it by the feed, or from SQL."""
    desk.house.parts.use_cases.catalog.forget(desk.site)
    return (await desk.house.parts.use_cases.catalog.find(desk.site)).schedule.takes_payments


async def test_good_keys_are_kept_and_the_page_says_so_without_them(desk: Desk, shop: Shop) -> None:
    answer = await enter(desk, webhook=WEBHOOK)
    page = await desk.client.get(answer.headers["location"])

    assert "Saved. Stripe takes this key." in page.text
    assert "Taken by Stripe" in page.text
    assert "Studio Berg" in page.text
    assert "sk_test_…4242" in page.text
    assert "whsec_…7777" in page.text
    assert "http://localhost:8000/stripe/webhook/studio" in page.text
    assert shop.url in page.text, "and that it is not Stripe itself"
    (entry,) = await desk.entries()
    assert (entry.deed, entry.detail) == (Deed.PAYMENT_KEYS_ENTERED, {"keys": "test"})


async def test_no_secret_is_in_a_page_a_log_or_a_table(
    desk: Desk, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shop.faults.plan("expire", "broken")
    with capture_logs() as logs:
        pages = [await enter(desk, webhook=WEBHOOK), await enter(desk, "live", LIVE_KEY)]
        pages += [await enter(desk, "live", KEY), await enter(desk, "test", LIVE_KEY, WEBHOOK + " x")]
        pages += [await desk.post("/payments/test/check"), await desk.get("/payments"), await desk.get("/audit-log")]

    told = (
        "".join(page.text + str(page.headers) for page in pages) + str(logs) + await dumped(desk.house.parts.database)
    )
    assert "sk_test_…4242" in told
    assert [secret for secret in SECRETS if secret in told] == []


WRONG = [
    ("test", {"secret_key": LIVE_KEY}, "This is a live key, and here belongs a test key"),
    ("live", {"secret_key": KEY}, "This is a test key, and here belongs a live key"),
    ("test", {"secret_key": "pk_test_1234567890"}, "This is the publishable key"),
    ("test", {"secret_key": WEBHOOK}, "it belongs in the field below"),
    ("test", {"secret_key": ""}, "Enter the secret key."),
    ("test", {"secret_key": "sk_test_two words"}, "A secret key begins with sk_test_ or rk_test_"),
    ("test", {"secret_key": "sk_test_" + "x" * SECRET_LENGTH_MAX}, "This is too long for a secret key"),
    ("test", {"secret_key": KEY, "webhook_secret": KEY}, "it belongs in the field above"),
    ("test", {"secret_key": KEY, "webhook_secret": "hello"}, "A signing secret begins with whsec_"),
    ("test", {"secret_key": "sk_test_nobodyKnowsThisOne"}, "Stripe does not take this key."),
]


async def test_what_cannot_be_right_is_refused_in_a_sentence(desk: Desk) -> None:
    for mode, typed, told in WRONG:
        answer = await desk.post(f"/payments/{mode}", **{f"{mode}_{field}": text for field, text in typed.items()})

        assert answer.status_code == 422, told
        assert told in unescape(answer.text)
        assert not any(text in answer.text for text in typed.values() if text), told
        assert await account(desk, mode) is None, told
    assert "2 things need another look." in (await enter(desk, key="pk_test_1234567890", webhook="hello")).text
    assert await deeds(desk) == []


async def test_keys_that_could_not_be_checked_are_kept_until_somebody_checks_them(desk: Desk, shop: Shop) -> None:
    await desk.house.change_settings(is_test=True)
    shop.faults.plan("expire", "broken", times=2)

    page = await desk.client.get((await enter(desk)).headers["location"])
    assert "Not checked yet" in page.text
    assert await takes_payments(desk), "nobody knows that they are wrong"
    still = await desk.client.get((await desk.post("/payments/test/check")).headers["location"])
    assert "Stripe could not be reached just now." in still.text
    checked = await desk.client.get((await desk.post("/payments/test/check")).headers["location"])

    assert "Taken by Stripe" in checked.text
    assert "Not checked yet" not in checked.text


async def test_keys_that_stripe_takes_no_more_stop_bookings(desk: Desk, shop: Shop) -> None:
    await desk.house.change_settings(is_test=True)
    await enter(desk)
    assert await takes_payments(desk)
    shop.faults.plan("expire", "forbidden")

    await desk.post("/payments/test/check")

    assert not await takes_payments(desk)
    assert "Refused by Stripe" in (await desk.get("/payments")).text


async def test_the_same_keys_again_change_nothing(desk: Desk) -> None:
    await enter(desk, webhook=WEBHOOK)
    before = await account(desk)

    for key, webhook in ((KEY, WEBHOOK), (KEY, ""), ("", WEBHOOK), ("", "")):
        await enter(desk, key=key, webhook=webhook)

    assert await account(desk) == before
    assert await deeds(desk) == [Deed.PAYMENT_KEYS_ENTERED]


async def test_the_signing_secret_may_follow_and_the_key_stays(desk: Desk, shop: Shop) -> None:
    await enter(desk)
    before = await account(desk)
    shop.faults.plan("expire", "broken")  # nobody is to ask again

    await enter(desk, key="", webhook=WEBHOOK)

    after = await account(desk)
    assert before is not None
    assert after is not None
    assert before.webhook_shown is None
    assert (after.key_shown, after.entered_at, after.state) == (before.key_shown, before.entered_at, before.state)
    assert after.webhook_shown == "whsec_…7777"


async def test_each_mode_has_its_own_and_the_site_says_which_counts(desk: Desk) -> None:
    await enter(desk)
    assert not await takes_payments(desk)
    assert "1 service has a price and cannot be booked." in (await desk.get("/payments")).text

    await desk.house.change_settings(is_test=True)
    assert await takes_payments(desk)
    assert "Test payments can be made." in (await desk.get("/payments")).text
    await desk.house.change_settings(is_test=False)
    await enter(desk, "live", LIVE_KEY)
    assert "You can be paid." in (await desk.get("/payments")).text


async def test_keys_that_nobody_has_checked_are_checked_by_the_worker(desk: Desk, shop: Shop) -> None:
    accounts = desk.house.parts.use_cases.payment_accounts
    shop.faults.plan("expire", "broken", times=2)
    await enter(desk, "live", LIVE_KEY)

    await accounts.check_unchecked()
    still = await account(desk, "live")
    await accounts.check_unchecked()

    checked = await account(desk, "live")
    assert still is not None
    assert checked is not None
    assert (still.state, checked.state) == (AccountState.UNCHECKED, AccountState.ACCEPTED)


async def test_keys_that_stripe_took_no_more_from_a_customer_are_looked_at_and_told_of(desk: Desk, shop: Shop) -> None:
    accounts = desk.house.parts.use_cases.payment_accounts
    await enter(desk, "live", LIVE_KEY)
    assert "Nobody can pay." not in (await desk.get("")).text
    await PaymentAccounts(desk.house.parts.database, Seal(b"")).doubt((await desk.house.site()).id, is_test=False)
    shop.faults.plan("expire", "forbidden")

    await accounts.check_unchecked()

    assert not await takes_payments(desk)
    assert "Nobody can pay." in (await desk.get("")).text


async def test_what_is_removed_is_gone_and_removing_it_again_changes_nothing(desk: Desk) -> None:
    await enter(desk, "live", LIVE_KEY)
    assert await takes_payments(desk)

    for _ in range(2):
        answer = await desk.post("/payments/live/removal")
        assert "Removed." in (await desk.client.get(answer.headers["location"])).text

    assert not await takes_payments(desk)
    assert await account(desk, "live") is None
    assert await deeds(desk) == [Deed.PAYMENT_KEYS_REMOVED, Deed.PAYMENT_KEYS_ENTERED]
    late = await desk.post("/payments/live/check")
    assert "There are no such keys any more." in (await desk.client.get(late.headers["location"])).text


async def test_another_site_has_none_of_it(house: House, desk: Desk) -> None:
    await house.found("other")
    await enter(desk, webhook=WEBHOOK)

    async with desk_in(house, "other") as elsewhere:
        page = (await elsewhere.get("/payments")).text
        assert "…4242" not in page
        await elsewhere.post("/payments/test/removal")

    assert await account(desk) is not None


async def test_a_mode_that_is_none_is_not_there(desk: Desk) -> None:
    for path in ("/payments/neither", "/payments/neither/check", "/payments/neither/removal"):
        assert (await desk.post(path)).status_code == 404


async def test_too_many_keys_are_not_asked_about(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("widget_server.use_cases.payment_accounts._CHECKS_MAX", 2)
    for number in range(2):
        assert (await enter(desk, key=f"sk_test_guessedByRobots{number}")).status_code == 422

    assert (await enter(desk)).status_code == 429
    assert (await desk.get("/payments")).status_code == 200


async def test_another_server_key_is_told_everywhere_and_breaks_nothing(
    house: House, desk: Desk, shop: Shop, tmp_path: Path, sqlite_template: Path
) -> None:
    await enter(desk, "live", LIVE_KEY)
    settings: dict[str, Any] = {"stripe_url": shop.url, "secret_key": "another key of the server, set by mistake"}
    async with opened(house.redis_url, sqlite_template, tmp_path, **settings) as changed, desk_in(changed) as later:
        page = await later.get("/payments")
        ready = await changed.client.get("/readyz")
        refused = await later.client.get((await later.post("/payments/live/check")).headers["location"])

        assert "Your keys cannot be read any more." in page.text
        assert not await takes_payments(later)
        assert "There are no such keys any more." in refused.text
        assert ready.status_code == 200, "visitors are served all the same"
        assert "TENUTO_SECRET_KEY" in ready.json()["notes"]["payments"]
        await enter(later, "live", LIVE_KEY)
        assert "You can be paid." in (await later.get("/payments")).text
        assert "notes" not in (await changed.client.get("/readyz")).json()


async def test_the_way_to_the_first_booking_leads_here_where_something_has_a_price(desk: Desk) -> None:
    assert "Be paid" in (await desk.get("/start")).text

    await desk.house.change_service(replace(PRIVATE, price=FREE))

    assert "Be paid" not in (await desk.get("/start")).text
