"""The room of messages in a browser: a mail that was kept, read in its frame, and every kind to be looked at."""

import asyncio

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import VIEWS, is_sound
from tests.browser.serving import YOGA, Server, Studio
from tests.browser.test_rooms import hired

pytestmark = pytest.mark.anyio


async def appears(page: Page, text: str) -> None:
    """Once the worker has come by."""
    async with asyncio.timeout(60):
        while not await page.get_by_text(text).count():
            await asyncio.sleep(0.25)
            await page.reload()


async def test_what_was_written_is_read_where_it_was_kept(
    server: Server, studio: Studio, host: Host, invite: Invite
) -> None:
    operator = await hired(invite, server, studio, width=VIEWS[0][0])
    page = operator.page
    await operator.goes_to("Messages")
    await expect(page.get_by_text("No messages yet.")).to_be_visible()
    await is_sound(page, "no messages")

    visitor = await invite("visitor")
    await visitor.opens(host.page(studio, f'<tenuto-booking site="{studio.key}" service="yoga"></tenuto-booking>'))
    await visitor.holds(studio.slot(YOGA), seats=2)
    await visitor.widget.get_by_label("E-mail").fill("anna@example.org")
    await visitor.confirms("Anna Ek")
    await visitor.is_booked()

    await appears(page, "anna@example.org")
    await is_sound(page, "list")
    await page.get_by_role("link", name="Booking confirmed").click()
    mail = page.frame_locator("iframe.mail")
    await expect(mail.get_by_role("heading", name="Your booking is confirmed")).to_be_visible()
    await expect(mail.get_by_role("link", name="Open your booking")).to_be_visible()
    await expect(page.get_by_text("Kept", exact=True).first).to_be_visible()
    await is_sound(page, "message")

    await operator.goes_to("Messages")
    await page.get_by_role("link", name="Preview").click()
    await page.get_by_label("Message", exact=True).select_option(label="Cancelled, to the customer")
    await page.get_by_label("Language").select_option(label="German")
    await page.get_by_role("button", name="Show").click()
    await expect(mail.get_by_role("heading", name="Ihre Buchung ist abgesagt")).to_be_visible()
    await is_sound(page, "preview")
