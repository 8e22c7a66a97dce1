"""Several times in one order: chosen one after another, all of them held, and booked together."""

import re

import pytest
from httpx2 import AsyncClient
from playwright.async_api import expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import Visitor, is_sound_within
from tests.browser.serving import Offer, Server
from tests.house import Guest
from widget_server.domain.slots import Slot

pytestmark = pytest.mark.anyio

LESSON = Offer("lesson", capacity=1, seats_max=1, slots_a_day=4)
PHONE = 390


async def adds(visitor: Visitor, slot: Slot) -> None:
    await visitor.button("Add another time").click()
    await visitor.row(slot).get_by_role("button").first.click()
    await visitor.goes_on(slot)


async def test_anna_holds_two_times_swaps_one_and_books_both_while_ben_is_faster_at_another(
    server: Server, host: Host, invite: Invite
) -> None:
    studio = await server.open_studio(LESSON, origins=[host.origin])
    first, second, third, fourth = (studio.slot(LESSON, number) for number in range(4))
    anna = await invite("anna", width=PHONE)
    tickets = anna.widget.locator(".ticket")
    await anna.opens(host.page(studio))
    await anna.holds(first)
    await anna.name.fill("Anna Ek")

    await anna.button("Add another time").click()
    await expect(anna.status(first)).to_have_text("yours")
    await anna.row(second).get_by_role("button").first.click()
    async with AsyncClient(base_url=studio.url) as client:
        ben = Guest(client, studio.key)
        assert (await ben.hold((first, 1))).json()["error"]["code"] == "slot_full"
        assert (await ben.hold((second, 1))).status_code == 201
    await expect(anna.row(second)).to_contain_text("Somebody was a moment faster")
    await expect(anna.countdown).to_be_visible()
    await anna.button("Your times").click()
    await adds(anna, third)
    await expect(anna.said).to_contain_text("2 times held.")
    await is_sound_within(anna, "two times")

    await anna.page.reload()
    await expect(tickets).to_have_count(2)
    await anna.widget.get_by_role("button", name=re.compile("^Remove .*10:00$")).click()
    await expect(anna.said).to_contain_text("1 time held.")
    await expect(tickets).to_have_count(1)
    await expect(tickets.get_by_role("button")).to_have_accessible_name(re.compile("^Remove .*12:00$"))
    await adds(anna, fourth)
    await expect(tickets).to_have_count(2)
    async with AsyncClient(base_url=studio.url) as client:
        ben = Guest(client, studio.key)
        assert (await ben.hold((first, 1))).status_code == 201
        assert (await ben.hold((third, 1))).status_code == 409
    await anna.confirms()
    await anna.is_booked()

    await expect(tickets).to_have_text([re.compile("12:00"), re.compile("13:00")])
    page = await anna.opens_order_page()
    await expect(page.locator(".ticket")).to_have_text([re.compile("12:00"), re.compile("13:00")])
    await expect(page.get_by_role("button", name="Cancel all of it")).to_be_visible()
    await expect(page.get_by_text("Elm Street 12")).to_have_count(1)
