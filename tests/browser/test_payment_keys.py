"""An owner enters the keys of their account at a pretend Stripe, and removes them. On a desk and on a phone."""

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Invite
from tests.browser.serving import YOGA, Server
from tests.browser.test_people import is_fair
from tests.browser.test_schedule_pages import PHONE, arrive, room
from widget_server.demo import PRETEND_KEYS

pytestmark = pytest.mark.anyio


async def test_keys_are_entered_checked_and_removed(server: Server, invite: Invite) -> None:
    owner = await invite("owner", width=PHONE)
    owner.expects("422")
    studio, keys = await server.open_studio(YOGA, origins=[]), PRETEND_KEYS[False]
    await arrive(server, studio, owner)
    page = owner.page
    await page.goto(room(studio, "payments"))
    await is_fair(page)

    live = page.get_by_role("region", name="Live keys")
    await live.get_by_label("Secret key").fill(PRETEND_KEYS[True].secret_key)
    await live.get_by_label("Secret key").press("Enter")
    await expect(live.get_by_text("This is a test key")).to_be_visible()
    await expect(page.get_by_role("alert")).to_be_focused()
    assert PRETEND_KEYS[True].secret_key not in await page.content()
    await is_fair(page)

    await live.get_by_label("Secret key").fill(keys.secret_key)
    await live.get_by_label("Signing secret").fill(keys.webhook_secret)
    await live.get_by_role("button", name="Save live keys").click()
    await expect(page.get_by_text("You can be paid.")).to_be_visible()
    await expect(live.get_by_text("Taken by Stripe")).to_be_visible()
    await live.get_by_text("Enter other keys").click()
    await live.get_by_text("Remove", exact=False).first.click()
    await is_fair(page)

    await live.get_by_role("button", name="Yes, remove the live keys").click()
    await expect(page.get_by_text("Nothing new is paid with these keys.")).to_be_visible()
    await expect(page.get_by_text("You can be paid.")).to_have_count(0)
