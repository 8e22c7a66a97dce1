"""The admin rooms in a real browser: what scripts add, the keyboard, and axe."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import uvicorn
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from tests.use_cases.office import ANNA, PASSWORD
from tests.web.rooms import Rooms, open_rooms
from widget_server.assets import find
from widget_server.web.headers import framed_by
from widget_server.web.static_files import StaticFilesOfRelease

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not CHROMIUM.exists(), reason="chromium is not installed")]

SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1200, "height": 900}


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        await browser.close()


@pytest.fixture
async def rooms(tmp_path: Path) -> AsyncIterator[Rooms]:
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://localhost:{listener.getsockname()[1]}"
    static = Mount("/static/{release}", StaticFilesOfRelease(directory=find("widget_static")))
    async with open_rooms(tmp_path, url, Route("/w/{site}", small_widget), static) as rooms, serving(rooms, listener):
        yield rooms


@asynccontextmanager
async def serving(rooms: Rooms, listener: socket.socket) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(rooms.app, lifespan="off", log_level="warning"))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await running
        listener.close()


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """On a phone. Whatever the console complains about fails the test: a script or style that the policy blocks."""
    context = await browser.new_context(viewport=PHONE, permissions=["clipboard-read", "clipboard-write"])
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda told: complaints.append(told.text) if told.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    await context.close()
    assert [text for text in complaints if "422" not in text] == []


async def small_widget(request: Request) -> Response:
    """Behaves to the page around it as the widget does."""
    script = "/w/script.js"
    if request.path_params["site"] == "script.js":
        said = "{ tenuto: { v: 1, type: 'ready' } }", "{ tenuto: { v: 1, type: 'height', px: 432 } }"
        tell = "".join(f"parent.postMessage({message}, location.origin);" for message in said)
        return Response(tell, media_type="text/javascript")
    page = f"<!doctype html><html lang=en><title>Widget</title><main><h1>Book</h1></main><script src={script}></script>"
    return Response(page, media_type="text/html", headers=framed_by((f"http://{request.url.netloc}",)))


async def anna_is_at_the_settings(rooms: Rooms, page: Page) -> None:
    await rooms.office.hire(await rooms.office.found("studio"))
    await page.goto(f"{rooms.url}/admin/sign-in?next=/admin/sites/studio/settings")
    await page.get_by_label("E-mail").fill(ANNA)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/admin/sites/studio/settings")


async def serious(page: Page) -> list[Any]:
    found = await Axe().run(page)
    return [v["id"] for v in found.response["violations"] if v["impact"] in ("serious", "critical")]


async def test_the_first_run_link_fills_in_its_code_and_hides_it(rooms: Rooms, page: Page) -> None:
    await page.goto(f"{rooms.url}/admin/setup#{'x' * 22}")

    assert not await page.get_by_label("Setup code").is_visible()
    await page.get_by_label("E-mail").fill(ANNA)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.get_by_text("This link was used already").wait_for()

    assert await page.get_by_label("Setup code").is_visible(), "the code was wrong, so now it can be mended"
    assert await page.get_by_label("Setup code").evaluate("field => field === document.activeElement")
    assert await page.get_by_label("E-mail").input_value() == ANNA


async def test_a_password_can_be_looked_at_and_hidden(rooms: Rooms, page: Page) -> None:
    await page.goto(f"{rooms.url}/admin/sign-in")
    field = page.get_by_label("Password", exact=True)

    await page.get_by_role("button", name="Show password").click()
    assert await field.get_attribute("type") == "text"
    await page.get_by_role("button", name="Hide password").click()
    assert await field.get_attribute("type") == "password"


async def test_settings_are_saved_with_the_keyboard_alone(rooms: Rooms, page: Page) -> None:
    await anna_is_at_the_settings(rooms, page)

    await page.get_by_label("Name").focus()
    while await page.evaluate("document.activeElement.id") != "holds_on":
        await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await page.keyboard.press("Tab")
    await page.keyboard.type("25")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**saved=1")

    assert await page.evaluate("document.activeElement.textContent.includes('Saved.')")
    site = await rooms.office.stored.by_key("studio")
    assert site is not None
    assert (site.holds_on, site.hold_minutes) == (False, 25)


async def test_a_warning_shows_while_the_zone_is_another(rooms: Rooms, page: Page) -> None:
    await anna_is_at_the_settings(rooms, page)
    warning = page.get_by_text("openings keep their wall time")

    assert await warning.count() == 0
    await page.get_by_label("Time zone").fill("Asia/Tokyo")
    assert await warning.is_visible()
    assert await page.get_by_text("Not saved yet").is_visible()
    await page.get_by_label("Time zone").fill("Europe/Berlin")
    assert await warning.count() == 0


async def test_the_snippet_is_copied(rooms: Rooms, page: Page) -> None:
    await anna_is_at_the_settings(rooms, page)

    await page.get_by_role("button", name="Copy snippet").click()

    await page.get_by_text("Copied").wait_for()
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(f'<script src="{rooms.url}/embed.js" async></script>\n<tenuto-booking site="studio">')


async def test_the_preview_follows_what_is_chosen(rooms: Rooms, page: Page) -> None:
    await anna_is_at_the_settings(rooms, page)
    frame = page.locator("iframe")
    await frame.scroll_into_view_if_needed()  # it loads when it comes into sight
    await expect(frame).to_have_css("height", "432px")

    await page.get_by_role("radio", name="Dark").check()
    await expect(frame).to_have_attribute("src", re.compile("theme=dark"))
    await page.get_by_label("Accent colour", exact=True).fill("#c2410c")

    await expect(page.frame_locator("iframe").locator("html")).to_have_attribute("style", re.compile("accent: #c2410c"))
    await expect(frame).to_have_attribute("src", re.compile(re.escape(f"host={quote(rooms.url, safe='')}")))


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious(rooms: Rooms, page: Page, scheme: Any) -> None:
    await page.emulate_media(color_scheme=scheme)
    for path in ("/admin/sign-in", "/admin/setup"):
        await page.goto(rooms.url + path)
        assert await serious(page) == []
    await anna_is_at_the_settings(rooms, page)
    assert await serious(page) == []
    await page.get_by_label("Allowed origins").fill("example.org")
    await page.get_by_label("Time zone").fill("Europe/Atlantis")
    await page.get_by_role("button", name="Save settings").click()
    await page.get_by_role("alert").wait_for()
    assert await serious(page) == []
    await page.set_viewport_size(DESK)
    assert await serious(page) == []


@pytest.mark.parametrize("width", [320, 390, 768, 1200])
async def test_nothing_is_wider_than_the_screen(rooms: Rooms, page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    await anna_is_at_the_settings(rooms, page)

    assert await page.evaluate("document.documentElement.scrollWidth") <= width
