"""Visitors: what a person does with the widget, in a browser of their own."""

import re
from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import (
    BrowserContext,
    ConsoleMessage,
    Error,
    Frame,
    FrameLocator,
    Locator,
    Page,
    Request,
    expect,
)

from tests.browser.devices import TALL
from tests.browser.serving import BERLIN
from widget_server.domain.slots import Slot

PASSWORD = "a long walk by the river"
BOOKED = "You\u2019re booked"
AT_HOME = ("localhost", "127.0.0.1")
Scheme = Literal["light", "dark"]
View = tuple[int, Scheme]
VIEWS: tuple[View, View] = ((390, "light"), (1280, "dark"))
_AXE = Axe().axe_script
_VIOLATIONS = """async () => {
    const told = ({html, failureSummary}) => `${html.slice(0, 160)} ${failureSummary.slice(0, 240)}`;
    const {violations} = await axe.run({resultTypes: ['violations'], iframes: false});
    return violations.map(({id, impact, nodes}) => `${id} (${impact}): ${nodes.map(told).join(' | ')}`);
}"""
"""Half a second would be waited for an answer from each frame, where no axe is: a test that means one looks into it."""
_WATCH = """wanted => {
    const dark = matchMedia('(prefers-color-scheme: dark)');
    window.turned = new Promise(done => dark.addEventListener('change', () => setTimeout(done), {once: true}));
    return dark.matches !== wanted;
}"""
"""The widget hears of another colour scheme, and changes its colours, just before a frame is painted: we after it."""
DEAF_MS = 600
"""For half a second after a frame has moved, Chromium drops what is pressed in it."""


class Visitor:
    """Somebody with the host page open. Whatever their console complains about is kept, and fails the test."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        """Requests to anyone but the host page and our server."""
        self._expected: list[str] = []
        self._number = 0
        self._senses: dict[Any, Any] = {"console": self._hear, "pageerror": self._feel, "request": self._see}
        for event, sense in self._senses.items():
            page.on(event, sense)

    def _hear(self, told: ConsoleMessage) -> None:
        if told.type in ("error", "warning"):
            self.complaints.append(told.text)

    def _feel(self, error: Error) -> None:
        self.complaints.append(str(error))

    def _see(self, request: Request) -> None:
        if urlsplit(request.url).hostname not in AT_HOME:
            self.strangers.append(request.url)

    def expects(self, *complaints: str) -> None:
        """What the browser itself will write to the console about an answer that belongs to the story."""
        self._expected.extend(complaints)

    def leaves(self) -> None:
        """The page is somebody else's from now on."""
        for event, sense in self._senses.items():
            self.page.remove_listener(event, sense)

    def looks_into(self, number: int) -> None:
        """Turns to another widget of the page."""
        self._number = number

    def unexpected(self) -> list[str]:
        return [told for told in self.complaints if not any(part in told for part in self._expected)] + self.strangers

    # What they see

    @property
    def context(self) -> BrowserContext:
        return self.page.context

    @property
    def widget(self) -> FrameLocator:
        return self.page.locator("tenuto-booking iframe").nth(self._number).content_frame

    async def frame(self) -> Frame:
        handle = await self.page.locator("tenuto-booking iframe").nth(self._number).element_handle()
        frame = await handle.content_frame()
        assert frame is not None
        return frame

    def row(self, slot: Slot) -> Locator:
        return self.widget.locator(f'.slot[data-slot="{slot.id}"]')

    def status(self, slot: Slot) -> Locator:
        return self.row(slot).locator(".slot-status")

    @property
    def countdown(self) -> Locator:
        return self.widget.get_by_role("timer", name="Time left to book")

    @property
    def name(self) -> Locator:
        return self.widget.get_by_label("Your name")

    def told(self, sentence: str) -> Locator:
        """Where this is written to be seen."""
        return self.widget.locator("p:not(.unseen)", has_text=sentence)

    @property
    def said(self) -> Locator:
        """What a screen reader hears by itself."""
        return self.widget.locator(".unseen[aria-live]")

    async def seconds_left(self) -> int:
        minutes, seconds = (await self.countdown.inner_text()).split(":")
        return int(minutes) * 60 + int(seconds)

    # What they do

    def button(self, name: str) -> Locator:
        return self.widget.get_by_role("button", name=name, exact=True)

    async def opens(self, url: str) -> None:
        await self.page.goto(url)

    async def picks_service(self, name: str) -> None:
        await self.widget.get_by_role("button", name=re.compile(name)).click()

    async def looks_at(self, slot: Slot) -> None:
        """Turns to the day of the slot, in this month or the next, whatever language the widget speaks."""
        day = slot.starts_at.astimezone(BERLIN).date().isoformat()
        await expect(self.widget.locator(".day").first).to_be_visible()
        if not await self.widget.locator(f'.day[data-day="{day}"]').count():
            await self.widget.locator(".month-bar button").last.click()
        await self.widget.locator(f'.day[data-day="{day}"]:not([aria-disabled="true"])').click()
        await expect(self.row(slot)).to_be_visible()

    async def chooses(self, slot: Slot, *, seats: int = 1) -> None:
        await self.looks_at(slot)
        await self.row(slot).get_by_role("button").first.click()
        for _ in range(seats - 1):
            await self.row(slot).get_by_role("button", name="One seat more").click()

    async def goes_on(self, slot: Slot) -> None:
        await self.row(slot).get_by_role("button", name="Continue").click()

    async def holds(self, slot: Slot, *, seats: int = 1) -> None:
        await self.chooses(slot, seats=seats)
        await self.goes_on(slot)
        await expect(self.countdown).to_be_visible()

    async def confirms(self, name: str = "Anna Ek") -> None:
        await self.name.fill(name)
        await self.button("Confirm booking").click()

    async def is_booked(self) -> None:
        await expect(self.widget.get_by_role("heading", name=BOOKED)).to_be_visible()

    async def sets_up(self, email: str, password: str = PASSWORD) -> None:
        """An operator with a first-run link open."""
        await self.page.get_by_label("E-mail").fill(email)
        await self.page.get_by_label("Password", exact=True).fill(password)
        await self.page.get_by_role("button", name="Set password and go on").click()
        await self.page.wait_for_url("**/admin/sites/*")

    async def goes_to(self, room: str) -> None:
        """An operator, by the navigation."""
        await self.page.get_by_role("navigation").get_by_role("link", name=room, exact=True).click()
        await expect(self.page.locator('nav [aria-current="page"]')).to_have_text(room)

    async def opens_order_page(self) -> Page:
        async with self.context.expect_page() as opening:
            await self.widget.get_by_role("link", name="Open order page").click()
        return await opening.value


async def sees_times(seen: Page | FrameLocator) -> None:
    """At once, but for the last day of a month: once its times have begun, those of the next are a step away."""
    time, later = seen.locator(".slot").first, seen.locator(".next-free button").first
    await expect(time.or_(later).first).to_be_visible()
    if not await time.is_visible():
        await later.click()
    await expect(time).to_be_visible()


async def is_sound(page: Page, step: str, views: Sequence[View] = VIEWS) -> None:
    """In each of these views; and the story goes on in the last of them, so that its next steps are done there, too."""
    for view in _from_where(page, views):
        await _turn(page, view, page)
        assert (step, view, await barriers(page), await overflow(page)) == (step, view, [], 0)


async def is_sound_within(visitor: Visitor, step: str, views: Sequence[View] = VIEWS) -> None:
    """The same for the widget in its page."""
    page, frame = visitor.page, await visitor.frame()
    for view in _from_where(page, views):
        await _turn(page, view, frame)
        found = await barriers(frame), await overflow(frame), await overflow(page)
        assert (step, view, *found) == (step, view, [], 0, 0), found
    await page.wait_for_timeout(DEAF_MS)


def _from_where(page: Page, views: Sequence[View]) -> list[View]:
    """First as it is seen already."""
    now = page.viewport_size
    return sorted(views, key=lambda view: now is None or view[0] != now["width"])


async def _turn(page: Page, view: View, seen: Page | Frame) -> None:
    await page.set_viewport_size({"width": view[0], "height": TALL})
    await turns(page, view[1], seen)


async def turns(page: Page, scheme: Scheme, seen: Page | Frame) -> None:
    """Until what is seen of it, the widget in a process of its own, has heard of it and has its colours for it."""
    is_other = await seen.evaluate(_WATCH, scheme == "dark")
    await page.emulate_media(color_scheme=scheme)
    if is_other:
        await seen.evaluate("window.turned")


async def barriers(page: Page | Frame) -> list[str]:
    """What axe finds that stands in somebody's way."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(_AXE)
    found: list[str] = await page.evaluate(_VIOLATIONS)
    return found


async def overflow(page: Page | Frame) -> int:
    """By how many pixels there is something to scroll to the side."""
    wide: int = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wide
