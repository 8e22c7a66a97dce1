"""What only the demo has: a sample site that can be paid, by a pretend Stripe on the same server."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from httpx2 import ASGITransport, AsyncClient
from starlette.applications import Starlette

from tests.engine.servers import Valkey
from tests.house import URL, House, opened
from widget_server import demo
from widget_server.settings import Settings
from widget_server.store.payment_accounts import put_removal

pytestmark = pytest.mark.anyio

PRETENDING = f"{URL}{demo.PRETEND_STRIPE}"


@pytest.fixture
async def house(empty_valkey: Valkey, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[House]:
    async with opened(empty_valkey.url, sqlite_template, tmp_path, stripe_url=PRETENDING) as house:
        yield house


async def test_what_has_a_price_in_the_sample_site_can_be_paid(house: House) -> None:
    await demo.ensure_sample_site(house.parts)

    schedule = (await house.parts.use_cases.catalog.find(demo.SITE_KEY)).schedule
    assert schedule.takes_payments
    assert [one.key for one in schedule.services.values() if not one.price.is_free] == ["workshop"]
    assert any(opening.service == "workshop" for opening in schedule.openings)


async def test_keys_that_the_operator_has_taken_away_do_not_come_back(house: House) -> None:
    site = await demo.ensure_sample_site(house.parts)
    async with house.parts.database.transaction() as session:
        await put_removal(session, site.id, is_test=False, at=house.parts.use_cases.dashboard.now())

    await demo.ensure_sample_site(house.parts)

    assert not (await house.parts.use_cases.catalog.find(demo.SITE_KEY)).schedule.takes_payments


async def test_the_pretend_stripe_knows_the_keys_of_the_sample_site() -> None:
    settings = demo.with_pretend_stripe(Settings())
    assert settings.stripe_url == PRETENDING
    app = Starlette()
    async with demo.pretend_stripe(app, settings):
        for keys in demo.PRETEND_KEYS.values():
            assert await status(app, keys.secret_key) == 200
        assert await status(app, "sk_test_of_nobody") == 401


async def test_another_stripe_that_is_set_is_asked_in_its_place() -> None:
    settings = demo.with_pretend_stripe(Settings(stripe_url="http://localhost:12111"))

    assert settings.stripe_url == "http://localhost:12111"
    app = Starlette()
    async with demo.pretend_stripe(app, settings):
        assert await status(app, demo.PRETEND_KEYS[True].secret_key) == 404


async def test_nothing_of_it_is_served_but_by_the_demo(house: House) -> None:
    assert await status(house.app, demo.PRETEND_KEYS[True].secret_key) == 404
    assert (await house.client.get(f"{demo.PRETEND_STRIPE}/pay/cs_test_1")).status_code == 404


async def status(app: object, secret_key: str) -> int:
    """Of whoever asks with this key whose it is."""
    async with AsyncClient(transport=ASGITransport(app=app), base_url=URL) as client:  # type: ignore[arg-type]
        answer = await client.get(
            f"{demo.PRETEND_STRIPE}/v1/account", headers={"authorization": f"Bearer {secret_key}"}
        )
        return answer.status_code
