"""The pretend Stripe below a path of another server, as `tenuto demo` has it."""

import re
from urllib.parse import urljoin

import pytest
from httpx2 import AsyncClient
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.live.serving import served
from tests.payments.shop import PATIENCE_S, keys_of, wanted_payment
from widget_server.clock import SystemClock
from widget_server.domain.payments import PaymentState
from widget_server.payments import fake_stripe
from widget_server.payments.stripe_gateway import StripeGateway

pytestmark = pytest.mark.anyio


async def test_gateway_page_and_style_find_their_way_below_a_path() -> None:
    books = fake_stripe.Books(SystemClock(), public_url="")
    parent = Starlette(routes=[Mount("/pretend-stripe", fake_stripe.app(books))])
    async with served(parent, lambda: None, http="auto") as (_, port):
        books.public_url = f"http://127.0.0.1:{port}/pretend-stripe"
        keys = keys_of(books.open_account())
        gateway = StripeGateway(api_url=books.public_url, timeout_s=PATIENCE_S)
        payment = await gateway.open(keys, wanted_payment())
        assert payment.url is not None

        async with AsyncClient(timeout=PATIENCE_S) as ben:
            page = await ben.get(payment.url)
            style = re.search(r'rel="stylesheet" href="([^"]+)"', page.text)
            assert style is not None
            assert (await ben.get(urljoin(payment.url, style[1]))).status_code == 200
            declined = await ben.post(payment.url, data={"how": "decline"}, follow_redirects=True)
            assert "was declined" in declined.text
            await ben.post(payment.url, data={"how": "pay"})

        assert (await gateway.read(keys, payment.session_id)).state is PaymentState.AUTHORISED
        await gateway.close()
