"""A whole booking with the keyboard alone."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import BOOKED, Visitor, sees_times
from tests.browser.serving import BERLIN, YOGA, Studio

pytestmark = pytest.mark.anyio

TABS_MAX = 40
FOCUSED = """() => {
    const on = document.activeElement;
    if (on === document.body) return '';
    return (on.getAttribute('aria-label') ?? on.labels?.[0]?.textContent ?? on.textContent).trim();
}"""


async def focused(visitor: Visitor) -> str:
    """What a screen reader would call the element that has the focus inside the widget."""
    named: str = await (await visitor.frame()).evaluate(FOCUSED)
    return named


async def tabs_to(visitor: Visitor, name: str) -> None:
    for _ in range(TABS_MAX):
        if (await focused(visitor)).startswith(name):
            return
        await visitor.page.keyboard.press("Tab")
    raise AssertionError(f"Tab never comes to {name!r}, but last to {await focused(visitor)!r}")


async def test_booking_with_the_keyboard_alone(studio: Studio, host: Host, invite: Invite) -> None:
    anna, slot = await invite("anna"), studio.slot(YOGA)
    press = anna.page.keyboard.press
    await anna.opens(host.page(studio))
    await expect(anna.widget.get_by_role("heading", name="What would you like to book?")).to_be_visible()
    await anna.page.get_by_role("link", name="Before the widget").focus()

    await tabs_to(anna, "Yoga")
    await press("Enter")
    await expect(anna.widget.get_by_role("heading", name="Yoga")).to_be_focused()
    await expect(anna.widget.get_by_role("rowgroup").last).to_have_attribute("aria-busy", "false")

    day = slot.starts_at.astimezone(BERLIN).date()
    await comes_to_the_grid(anna)
    for _ in range(2):
        await press("ArrowRight")
    assert {f"{day:%B}", f"{day.day}"} <= set(re.findall(r"\w+", await focused(anna)))
    await expect(anna.widget.locator(f'.day[data-day="{day}"]')).to_have_attribute("aria-disabled", "false")
    await press("Enter")
    await expect(anna.row(slot)).to_be_visible()
    await expect(anna.said).to_contain_text("2 times")

    time = (await anna.row(slot).locator(".slot-time").inner_text()).strip()
    await tabs_to(anna, time)
    await press("Enter")
    await tabs_to(anna, "One seat more")
    await press("Space")
    await tabs_to(anna, "Continue")
    await press("Enter")
    await expect(anna.countdown).to_be_visible()
    assert await focused(anna) == "Almost there"

    await tabs_to(anna, "Your name")
    await anna.page.keyboard.type("Anna Ek")
    await press("Tab")
    assert (await focused(anna)).startswith("E-mail")
    await anna.page.keyboard.type("anna@example.org")
    await tabs_to(anna, "Confirm booking")
    await press("Enter")

    await anna.is_booked()
    assert await focused(anna) == BOOKED
    await expect(anna.widget.locator(".ticket")).to_contain_text("2 seats")
    await tabs_to(anna, "Open order page")


async def comes_to_the_grid(visitor: Visitor) -> None:
    in_grid = "() => document.activeElement.matches('[role=gridcell] .day')"
    for _ in range(TABS_MAX):
        if await (await visitor.frame()).evaluate(in_grid):
            return
        await visitor.page.keyboard.press("Tab")
    raise AssertionError("Tab never comes to the days")


async def test_the_widget_never_takes_the_focus_by_itself(studio: Studio, host: Host, invite: Invite) -> None:
    anna = await invite("anna")
    await anna.opens(host.page(studio))
    await anna.page.get_by_role("link", name="Before the widget").focus()

    await expect(anna.widget.get_by_role("button", name="Yoga")).to_be_visible()

    assert await anna.page.evaluate("document.activeElement.textContent") == "Before the widget"


async def test_tab_leads_out_of_the_widget_again(studio: Studio, host: Host, invite: Invite) -> None:
    anna = await invite("anna")
    await anna.opens(host.page(studio, f'<tenuto-booking site="{studio.key}" service="yoga"></tenuto-booking>'))
    await sees_times(anna.widget)
    await anna.page.get_by_role("link", name="Before the widget").focus()

    for _ in range(TABS_MAX):
        await anna.page.keyboard.press("Tab")
        if await anna.page.evaluate("document.activeElement.textContent") == "After the widget":
            return
    raise AssertionError("no way out of the widget")


async def test_what_is_missing_is_said_and_gets_the_focus(studio: Studio, host: Host, invite: Invite) -> None:
    anna = await invite("anna")
    await anna.opens(host.page(studio, f'<tenuto-booking site="{studio.key}" service="yoga"></tenuto-booking>'))
    await anna.holds(studio.slot(YOGA))

    await anna.name.press("Enter")

    assert (await focused(anna)).startswith("Your name")
    await expect(anna.name).to_have_accessible_description(re.compile(r"Please tell us your name\.$"))
    await anna.widget.get_by_label("E-mail").fill("anna@nowhere")
    await anna.confirms()
    await expect(anna.told("This does not look like an e-mail address")).to_be_visible()
    await anna.widget.get_by_label("E-mail").fill("anna@example.org")
    anna.expects("400")
    await anna.confirms("An\u200bna Ek")
    await expect(anna.told("has characters that cannot be seen")).to_be_visible()
    assert (await focused(anna)).startswith("Your name")
    await expect(anna.name).to_have_attribute("aria-invalid", "true")
    await expect(anna.name).to_have_accessible_description(re.compile(r"cannot be seen\. Please type it anew\.$"))
    await anna.name.evaluate("field => { field.value = 'Anna Ek'; }")  # as some keepers of passwords do
    await anna.button("Confirm booking").click()
    await anna.is_booked()
