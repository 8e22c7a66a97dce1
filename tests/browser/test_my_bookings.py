"""All that somebody has booked, by a link in their mail: on a phone and on a desk, in the dark and in Arabic."""

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import View, is_sound
from tests.browser.serving import YOGA, Server, Studio
from widget_server.domain.messages import Kind, MessageState

pytestmark = pytest.mark.anyio


async def link_sent(server: Server, studio: Studio) -> str:
    """Out of the mail, once the worker has written it."""
    async with server.parts() as parts, asyncio.timeout(60):
        site, messages = await parts.sites.by_key(studio.key), parts.use_cases.messages
        assert site is not None
        while True:
            for one in (await messages.read(site, state=MessageState.KEPT, text="", before=None)).messages:
                mail = (await messages.find(site, one.id)).mail
                if one.kind is Kind.MY_BOOKINGS and mail is not None:
                    found = re.search(rf"{server.url}/my/{studio.key}\?lang=en-GB#\S+", mail.plain)
                    assert found is not None
                    return found[0]
            await asyncio.sleep(0.25)


@pytest.mark.parametrize(("width", "scheme", "lang"), [(390, "dark", "ar"), (1280, "light", "en")])
async def test_a_customer_finds_what_they_have_booked_and_cancels_it(
    server: Server, studio: Studio, host: Host, invite: Invite, width: int, scheme: Any, lang: str
) -> None:
    said, views = SAID[lang], [(width, scheme)]
    anna = await invite("anna", width=width, color_scheme=scheme)
    anna.expects("404", "429")
    snippet = f'<tenuto-booking site="{studio.key}" service="yoga" lang="en"></tenuto-booking>'
    await anna.opens(host.page(studio, snippet))
    await anna.holds(studio.slot(YOGA), seats=2)
    await anna.widget.get_by_label("E-mail").fill("anna@example.org")
    await anna.confirms()
    await anna.is_booked()
    page = await anna.opens_order_page()
    await page.get_by_role("link", name="All your bookings at Studio Tenuto").click()
    await expect(page.get_by_role("heading", name="My bookings")).to_be_visible()
    await page.goto(f"{server.url}/my/{studio.key}?lang={lang}")

    await expect(page.get_by_role("heading", name=said["title"])).to_be_visible()
    await is_sound(page, "which address?", views)
    await page.get_by_role("button", name=said["send"]).click()
    await expect(page.get_by_label(said["email"])).to_be_focused()
    await is_sound(page, "none", views)
    await page.get_by_label(said["email"]).fill("Anna@Example.org")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name=said["sent"])).to_be_focused()
    await is_sound(page, "sent", views)

    link = await link_sent(server, studio)
    await page.goto(link.replace("lang=en-GB", f"lang={lang}"))
    await expect(page.get_by_role("heading", name=said["ahead"])).to_be_visible()
    await expect(page.get_by_role("listitem").first).to_contain_text("Yoga")
    await is_sound(page, "list", views)
    await page.get_by_role("link", name=said["open"]).click()
    await page.get_by_role("button", name=said["cancel"]).click()
    await page.get_by_role("button", name=said["cancel_yes"]).click()
    await expect(page.get_by_text(said["cancelled"])).to_be_visible()
    await page.go_back()
    await expect(page.get_by_role("heading", name=said["before"])).to_be_visible()
    await expect(page.get_by_text(said["none_ahead"])).to_be_visible()
    await is_sound(page, "cancelled", views)

    await wrong_link(page, said["expired"], views)


async def wrong_link(page: Page, expired: str, views: list[View]) -> None:
    address = page.url.partition("#")[0]
    await page.goto(f"{address}#{'x' * 22}")
    await expect(page.get_by_text(expired)).to_be_visible()
    await is_sound(page, "expired", views)


SAID = {
    "en": {
        "cancelled": "This booking is cancelled.",
        "title": "My bookings",
        "email": "E-mail",
        "send": "Send me the link",
        "sent": "If there are bookings under this address, a link is on its way.",
        "ahead": "To come",
        "open": "Open booking: Yoga",
        "cancel": "Cancel booking",
        "cancel_yes": "Yes, cancel it",
        "before": "Over or cancelled",
        "none_ahead": "Nothing is to come.",
        "expired": "This link does not work any more",
    },
    "ar": {
        "cancelled": "أُلغي هذا الحجز",
        "title": "حجوزاتي",
        "email": "البريد الإلكتروني",
        "send": "إرسال الرابط إليّ",
        "sent": "إن كانت هناك حجوزات بهذا العنوان، فالرابط في طريقه إليك.",
        "ahead": "القادمة",
        "open": "فتح الحجز: \u2068Yoga",
        "cancel": "إلغاء الحجز",
        "cancel_yes": "نعم، إلغاء الحجز",
        "before": "المنقضية أو الملغاة",
        "none_ahead": "لا توجد حجوزات قادمة.",
        "expired": "لم يعد هذا الرابط يعمل",
    },
}
