"""Paying: from the widget to the pay page in a tab of its own, and back in every way."""

import asyncio
import re

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import Visitor, barriers, overflow
from tests.browser.serving import Offer, Server, Studio

pytestmark = pytest.mark.anyio

PIANO = Offer("piano", capacity=4, seats_max=2, price_minor=1200, refund_percent=50)
BOOKED_MS = 60_000
"""Long enough for a slow machine to capture, confirm and tell."""


@pytest.fixture
async def paid_studio(server: Server, host: Host) -> Studio:
    studio = await server.open_studio(PIANO, origins=[host.origin])
    await server.take_payments(studio)
    return studio


async def goes_to_pay(visitor: Visitor, total: str) -> Page:
    """The pay page, in the tab that opens."""
    async with visitor.context.expect_page() as opening:
        await visitor.button(f"Pay {total}").click()
    tab = await opening.value
    await expect(tab.get_by_role("heading", name="Pay")).to_be_visible()
    return tab


async def is_fine(page: Page) -> None:
    assert (await barriers(page), await overflow(page)) == ([], 0)


async def after_the_feed(route: Route) -> None:
    """Everybody else hears of it first."""
    answer = await route.fetch()
    await asyncio.sleep(4)
    await route.fulfill(response=answer)


async def test_anna_is_declined_fails_3_d_secure_pays_and_cancels(
    paid_studio: Studio, host: Host, invite: Invite
) -> None:
    anna, slot = await invite("anna", width=1280), paid_studio.slot(PIANO)
    await anna.opens(host.page(paid_studio))
    await anna.holds(slot, seats=2)
    await expect(anna.widget.get_by_text("€24.00 in total")).to_be_visible()
    await anna.name.fill("Anna Ek")
    await anna.widget.get_by_label("E-mail").fill("anna@example.org")

    tab = await goes_to_pay(anna, "€24.00")
    assert await tab.evaluate("window.opener") is None
    await expect(anna.widget.get_by_role("heading", name="Waiting for your payment")).to_be_visible()
    await expect(anna.widget.get_by_role("timer", name="Time left to pay")).to_be_visible()
    await is_fine(anna.page)
    await tab.get_by_label("A card that is declined").check()
    await tab.get_by_role("button", name="Pay").click()
    await expect(tab.get_by_role("alert")).to_be_visible()
    await tab.get_by_label("A card whose bank asks first").check()
    await tab.get_by_role("button", name="Pay").click()
    await tab.get_by_role("button", name="No, it is not me").click()
    await expect(tab.get_by_role("alert")).to_be_visible()
    await tab.get_by_label("A card that works").check()
    await tab.get_by_role("button", name="Pay").click()

    await expect(tab.get_by_role("heading", name="Your booking")).to_be_visible(timeout=BOOKED_MS)
    await expect(tab.get_by_role("main")).to_contain_text(re.compile("Paid.*€24.00"))
    await expect(tab).to_have_url(re.compile("paying=done$"))  # the code of the pay page is exchanged
    await expect(anna.widget.get_by_role("heading", name="You\u2019re booked")).to_be_visible(timeout=BOOKED_MS)
    await expect(anna.widget.get_by_text("Paid €24.00")).to_be_visible()
    await anna.button("Book another time").click()
    await expect(anna.widget.get_by_role("timer", name="Time left to pay")).to_be_hidden()
    await tab.get_by_role("button", name="Move to another time").click()
    await tab.locator(".slot-pick").first.click()
    await tab.get_by_role("button", name="Move booking").click()
    await expect(tab.get_by_text("Your booking has been moved.")).to_be_visible(timeout=BOOKED_MS)
    await expect(tab.get_by_role("main")).to_contain_text(re.compile("Paid.*€24.00"))
    await tab.get_by_role("button", name="Cancel booking").click()
    await expect(tab.get_by_text("You get €12.00 of €24.00 back.")).to_be_visible()
    await is_fine(tab)
    await tab.route("**/cancellation", after_the_feed)
    await tab.get_by_role("button", name="Yes, cancel it").click()
    await expect(tab.get_by_role("main")).to_contain_text(re.compile("Paid back.*€12.00"), timeout=BOOKED_MS)


async def test_ben_goes_back_changes_something_and_is_too_late(
    server: Server, paid_studio: Studio, host: Host, invite: Invite
) -> None:
    ben, slot = await invite("ben", width=390), paid_studio.slot(PIANO, 1)
    await ben.opens(host.page(paid_studio))
    await ben.holds(slot)
    await ben.name.fill("Ben")
    await ben.widget.get_by_label("E-mail").fill("ben@example.org")
    tab = await goes_to_pay(ben, "€12.00")
    await tab.get_by_role("link", name="Go back without paying").click()
    await expect(tab.get_by_role("heading", name="Not paid yet")).to_be_visible()
    await expect(tab.get_by_role("link", name="Pay €12.00")).to_be_visible()
    await is_fine(tab)
    await tab.close()

    await ben.button("Change something or pay later").click()
    await expect(ben.name).to_have_value("Ben")
    await ben.name.fill("Ben Oak")
    tab = await goes_to_pay(ben, "€12.00")
    await ben.page.reload()
    await expect(ben.widget.get_by_role("heading", name="Waiting for your payment")).to_be_visible()
    await expect(ben.widget.get_by_role("link", name="Open the pay page again")).to_be_visible()
    await server.end_payment_windows(paid_studio)

    await expect(ben.told("The time to pay is over")).to_be_visible(timeout=BOOKED_MS)
    await is_fine(ben.page)
    await expect(ben.name).to_have_value("Ben Oak")
    await tab.reload()
    await expect(tab.get_by_role("heading", name="This page has expired")).to_be_visible()


SOLO = Offer("solo", capacity=1, seats_max=1, slots_a_day=4, price_minor=1200)


async def pays_too_late(server: Server, studio: Studio, visitor: Visitor) -> Page:
    """The pay page still takes it: nobody has told it that the time is over."""
    await visitor.holds(studio.slot(SOLO))
    await visitor.name.fill("Anna Ek")
    await visitor.widget.get_by_label("E-mail").fill("anna@example.org")
    tab = await goes_to_pay(visitor, "€12.00")
    await server.let_windows_pass(studio)
    return tab


async def test_who_pays_after_the_window_gets_the_same_seats_if_they_are_free(
    server: Server, host: Host, invite: Invite
) -> None:
    anna = await invite("anna", width=1280)
    studio = await server.open_studio(SOLO, origins=[host.origin])
    await server.take_payments(studio)
    await anna.opens(host.page(studio))
    tab = await pays_too_late(server, studio, anna)

    await tab.get_by_role("button", name="Pay").click()
    await expect(tab.get_by_role("heading", name="Your booking")).to_be_visible(timeout=BOOKED_MS)
    await expect(anna.widget.get_by_role("heading", name="You\u2019re booked")).to_be_visible(timeout=BOOKED_MS)


async def test_who_pays_after_the_window_for_seats_that_are_gone_chooses_others(
    server: Server, host: Host, invite: Invite
) -> None:
    anna = await invite("anna", width=390, color_scheme="dark")
    studio = await server.open_studio(SOLO, origins=[host.origin])
    await server.take_payments(studio)
    await anna.opens(host.page(studio))
    tab = await pays_too_late(server, studio, anna)
    await server.give_away_what_is_being_paid(studio, studio.slot(SOLO))

    await tab.get_by_role("button", name="Pay").click()
    await expect(tab.get_by_role("heading", name="Please choose another time")).to_be_visible(timeout=BOOKED_MS)
    await expect(tab.locator(".asked-time")).to_have_count(3)
    await is_fine(tab)
    await expect(anna.widget.get_by_role("link", name="Choose another time")).to_be_visible(timeout=BOOKED_MS)
    await tab.get_by_role("button", name="None of these").click()
    await expect(tab.get_by_role("button", name="Let me choose")).to_be_focused()
    await tab.get_by_role("button", name="Let me choose").click()
    await tab.locator(".asked-time").first.click()

    await expect(tab.get_by_role("heading", name="Your booking")).to_be_visible(timeout=BOOKED_MS)
    await expect(tab.get_by_role("main")).to_contain_text(re.compile("Paid.*€12.00"))
    await is_fine(tab)
