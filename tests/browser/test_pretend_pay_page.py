"""The pretend pay page in a browser: for thumbs and for keyboards, in light and dark, and axe finds nothing serious."""

from typing import Literal

import pytest
from playwright.async_api import Browser, expect

from tests.browser.people import barriers, overflow
from tests.payments.shop import opened_shop, wanted_payment
from widget_server.domain.payments import PaymentState

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
async def test_a_card_is_declined_and_the_bank_asks_about_the_next(
    browser: Browser, width: int, scheme: Literal["light", "dark"]
) -> None:
    async with opened_shop(name="Studio Tenuto") as shop:
        payment = await shop.gateway.open(shop.keys, wanted_payment(return_url=f"{shop.url}/pay_page.css#secret"))
        assert payment.url is not None
        page = await browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
        await page.goto(payment.url)
        assert (await barriers(page), await overflow(page)) == ([], 0)

        await page.get_by_label("A card that is declined").check()
        await page.get_by_role("button", name="Pay 25.00 EUR").click()
        await expect(page.get_by_role("alert")).to_contain_text("Your card was declined")
        assert await barriers(page) == []
        await page.get_by_label("A card whose bank asks first").check()
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Yes, it is me").click()

        await page.wait_for_url("**/pay_page.css#secret")
        assert (await shop.gateway.read(shop.keys, payment.session_id)).state is PaymentState.AUTHORISED
        await page.close()
