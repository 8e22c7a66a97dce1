"""A code that takes something off: made by an operator, typed by visitors, seen on the order's page and its receipt."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import Visitor, barriers, overflow
from tests.browser.serving import Server
from tests.browser.test_payments import BOOKED_MS, PIANO, goes_to_pay, is_fine
from tests.browser.test_schedule_pages import arrive

pytestmark = pytest.mark.anyio


async def makes(page: Page, code: str, percent: str) -> None:
    await page.get_by_role("link", name="Add a coupon").click()
    await page.get_by_label("Code").fill(code)
    await page.get_by_label("How much").fill(percent)
    await is_fine(page)
    await page.get_by_role("button", name="Save coupon").click()
    await expect(page.get_by_role("heading", name=code)).to_be_visible()


async def types(visitor: Visitor, code: str) -> None:
    await visitor.widget.get_by_label("Code", exact=True).fill(code)
    await visitor.page.keyboard.press("Enter")


async def test_anna_pays_less_and_ben_nothing_with_the_codes_of_an_operator(
    server: Server, host: Host, invite: Invite
) -> None:
    studio = await server.open_studio(PIANO, origins=[host.origin])
    await server.take_payments(studio)
    operator, anna, ben = await invite("operator", width=1280), await invite("anna", width=390), await invite("ben")
    await arrive(server, studio, operator)
    await operator.goes_to("Coupons")
    await makes(operator.page, "Half-26", "50")
    await makes(operator.page, "GIFT", "100")
    await operator.page.set_viewport_size({"width": 390, "height": 900})
    await is_fine(operator.page)

    anna.expects("409 (Conflict)")
    await anna.opens(host.page(studio))
    await anna.holds(studio.slot(PIANO), seats=2)
    await anna.name.fill("Anna Ek")
    await anna.widget.get_by_label("E-mail").fill("anna@example.org")
    await anna.widget.get_by_text("Have a code?").click()
    await types(anna, "helf-26")
    await expect(anna.told("We don\u2019t know this code.")).to_be_visible()
    await is_fine(anna.page)
    await types(anna, "half-26")
    await expect(anna.told("Half-26 takes \u20ac12.00 off: \u20ac12.00 instead of \u20ac24.00.")).to_be_visible()
    assert (await barriers(await anna.frame()), await overflow(await anna.frame())) == ([], 0)

    tab = await goes_to_pay(anna, "\u20ac12.00")
    await tab.get_by_label("A card that works").check()
    await tab.get_by_role("button", name="Pay").click()
    await expect(tab.get_by_role("heading", name="Your booking")).to_be_visible(timeout=BOOKED_MS)
    await expect(tab.get_by_text("Half-26, \u20ac12.00 off")).to_be_visible()
    async with anna.context.expect_page() as opening:
        await tab.get_by_role("link", name="Receipt").click()
    receipt = await opening.value
    await expect(receipt.get_by_role("row", name="Code Half-26")).to_contain_text("\u2212\u20ac12.00")
    await is_fine(receipt)
    await receipt.emulate_media(media="print")
    await expect(receipt.get_by_role("button", name="Print")).to_be_hidden()

    await ben.opens(host.page(studio))
    await ben.holds(studio.slot(PIANO, 1))
    await ben.widget.get_by_label("E-mail").fill("ben@example.org")
    await ben.widget.get_by_text("Have a code?").click()
    await types(ben, "gift")
    await expect(ben.told("there is nothing left to pay")).to_be_visible()
    await ben.confirms("Ben Oak")
    await ben.is_booked()
