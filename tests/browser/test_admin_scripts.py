"""What scripts add to the admin pages, in a browser that runs them."""

import re
from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Invite
from tests.browser.people import PASSWORD, Visitor
from tests.browser.serving import Server, Studio

pytestmark = pytest.mark.anyio

PHONE = 390
LISTEN = """addEventListener("message", ({data}) => {
    if (data?.tenuto?.type === "height") window.toldPx = data.tenuto.px;
})"""
IS_AS_TALL_AS_TOLD = "window.toldPx > 0 && document.querySelector('iframe').style.height === `${window.toldPx}px`"


async def anna_is_at_the_settings(server: Server, studio: Studio, invite: Invite, **wishes: Any) -> Visitor:
    anna = await invite("anna", width=PHONE, **wishes)
    await anna.opens(await server.first_run_link_of(studio))
    await anna.sets_up(email_of(studio))
    await anna.goes_to("Settings")
    return anna


def email_of(studio: Studio) -> str:
    return f"anna-{studio.key}@example.org"


async def test_the_first_run_link_fills_in_its_code_and_hides_it(server: Server, invite: Invite) -> None:
    anna = await invite("anna", width=PHONE)
    anna.expects("422")
    page = anna.page
    await anna.opens(f"{server.url}/admin/setup#{'x' * 22}")

    assert not await page.get_by_label("Setup code").is_visible()
    await page.get_by_label("E-mail").fill("anna@example.org")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.get_by_text("This link was used already").wait_for()

    await expect(page.get_by_label("Setup code")).to_be_focused()
    assert await page.get_by_label("Setup code").is_visible(), "the code was wrong, so now it can be mended"
    assert await page.get_by_label("E-mail").input_value() == "anna@example.org"


async def test_a_password_can_be_looked_at_and_hidden(server: Server, studio: Studio, invite: Invite) -> None:
    anna = await anna_is_at_the_settings(server, studio, invite)
    page = anna.page
    await page.context.clear_cookies()
    await anna.opens(f"{server.url}/admin/sign-in?next=/admin/sites/{studio.key}/settings")
    field = page.get_by_label("Password", exact=True)

    await page.get_by_role("button", name="Show password").click()
    assert await field.get_attribute("type") == "text"
    await page.get_by_role("button", name="Hide password").click()
    assert await field.get_attribute("type") == "password"

    await page.get_by_label("E-mail").fill(email_of(studio))
    await field.fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"**/admin/sites/{studio.key}/settings")


async def test_settings_are_saved_with_the_keyboard_alone(server: Server, studio: Studio, invite: Invite) -> None:
    page = (await anna_is_at_the_settings(server, studio, invite)).page

    await page.get_by_label("Name").focus()
    while await page.evaluate("document.activeElement.id") != "holds_on":
        await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await page.keyboard.press("Tab")
    await page.keyboard.type("25")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**saved=1")

    assert await page.evaluate("document.activeElement.textContent.includes('Saved.')")
    async with server.parts() as parts:
        site = await parts.sites.by_key(studio.key)
    assert site is not None
    assert (site.holds_on, site.hold_minutes) == (False, 25)


async def test_a_warning_shows_while_the_zone_is_another(server: Server, studio: Studio, invite: Invite) -> None:
    page = (await anna_is_at_the_settings(server, studio, invite)).page
    warning = page.get_by_text("openings keep their wall time")

    assert await warning.count() == 0
    await page.get_by_label("Time zone").fill("Asia/Tokyo")
    assert await warning.is_visible()
    assert await page.get_by_text("Not saved yet").is_visible()
    await page.get_by_label("Time zone").fill("Europe/Berlin")
    assert await warning.count() == 0


async def test_the_snippet_is_copied(server: Server, studio: Studio, invite: Invite) -> None:
    granted = ["clipboard-read", "clipboard-write"]
    page = (await anna_is_at_the_settings(server, studio, invite, permissions=granted)).page

    await page.get_by_role("button", name="Copy snippet").click()

    await page.get_by_text("Copied").wait_for()
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(
        f'<script src="{server.url}/embed.js" async></script>\n<tenuto-booking site="{studio.key}">'
    )


async def test_the_preview_follows_what_is_chosen(server: Server, studio: Studio, invite: Invite) -> None:
    page = (await anna_is_at_the_settings(server, studio, invite)).page
    frame = page.locator("iframe")
    await frame.scroll_into_view_if_needed()  # it loads when it comes into sight
    await expect(page.frame_locator("iframe").get_by_role("button", name="Yoga")).to_be_visible()
    await page.evaluate(LISTEN)

    await page.get_by_role("radio", name="Dark").check()
    await expect(frame).to_have_attribute("src", re.compile("theme=dark"))
    await page.get_by_label("Accent colour", exact=True).fill("#c2410c")

    await expect(page.frame_locator("iframe").locator("html")).to_have_attribute("style", re.compile("accent: #c2410c"))
    await expect(frame).to_have_attribute("src", re.compile(re.escape(f"host={quote(server.url, safe='')}")))
    await page.wait_for_function(IS_AS_TALL_AS_TOLD)
