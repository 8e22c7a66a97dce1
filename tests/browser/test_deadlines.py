"""Until when a booking can be cancelled or moved: said before it is booked, and kept to on its page."""

from dataclasses import replace
from datetime import timedelta

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import VIEWS, is_sound
from tests.browser.serving import BERLIN, LESSON, Server
from tests.browser.test_nothing_free import page_of

pytestmark = pytest.mark.anyio

DAY_MIN = 24 * 60


async def test_the_deadline_is_told_and_takes_the_buttons_away_once_it_has_passed(
    server: Server, host: Host, invite: Invite
) -> None:
    offer = replace(LESSON, cancel_until_min=DAY_MIN)
    studio = await server.open_studio(offer, origins=[host.origin])
    slot = studio.slot(offer)
    until = (slot.starts_at - timedelta(days=1)).astimezone(BERLIN)
    told = f"until {until:%A} {until.day} {until:%B} at {until:%H:%M}."
    anna = await invite("anna", width=VIEWS[0][0])
    await anna.opens(page_of(host, studio))
    await anna.holds(slot)
    await expect(anna.told(f"You can cancel or move it {told}")).to_be_visible()
    await anna.confirms()
    await anna.is_booked()
    order = await anna.opens_order_page()
    await expect(order.get_by_text(f"You can cancel or move it {told}")).to_be_visible()
    await expect(order.get_by_role("button", name="Move to another time")).to_be_visible()
    await order.get_by_role("button", name="Cancel booking").click()

    await server.offer(studio, replace(offer, cancel_until_min=3 * DAY_MIN))
    anna.expects("409")
    await order.get_by_role("button", name="Yes, cancel it").click()

    too_late = order.get_by_role("status").get_by_text("It can no longer be cancelled or moved here")
    for _ in range(2):
        await expect(too_late).to_be_visible()
        await expect(order.get_by_role("button")).to_have_text(["Add to calendar", "Copy link"])
        await expect(order.get_by_text("Confirmed", exact=True)).to_be_visible()
        await is_sound(order, "too late")
        await order.reload()


async def test_the_page_notices_by_itself_that_the_deadline_has_passed(
    server: Server, host: Host, invite: Invite
) -> None:
    studio = await server.open_studio(LESSON, origins=[host.origin])
    anna = await invite("anna", own=True)
    await anna.opens(page_of(host, studio))
    await anna.holds(studio.slot(LESSON))
    await anna.confirms()
    await anna.is_booked()
    order = await anna.opens_order_page()
    cancel = order.get_by_role("button", name="Cancel booking")
    await expect(cancel).to_be_visible()
    await expect(order.locator(".deadline")).to_have_count(0)

    await server.offer(studio, replace(LESSON, cancel_until_min=DAY_MIN))
    await order.clock.install()
    await order.reload()
    await expect(order.get_by_text("You can cancel or move it until")).to_be_visible()
    await order.clock.fast_forward(int(timedelta(days=2).total_seconds() * 1000))
    await expect(cancel).to_be_hidden()


async def test_what_can_never_be_undone_says_so_before_it_is_booked(server: Server, host: Host, invite: Invite) -> None:
    offer = replace(LESSON, cancel_until_min=30 * DAY_MIN)
    studio = await server.open_studio(offer, origins=[host.origin])
    anna = await invite("anna")
    await anna.opens(page_of(host, studio))

    await anna.holds(studio.slot(offer))

    await expect(anna.told("Once booked, it can no longer be cancelled or moved")).to_be_visible()
