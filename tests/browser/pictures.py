"""Takes the pictures of the documents from a demo in full swing: `make pictures`. Look at them before a commit."""

import asyncio
import re
import shutil
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from httpx2 import AsyncClient
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.browser.conftest import SWITCHES
from tests.browser.people import Visitor
from tests.browser.serving import BERLIN, ROOT, Server, new_server
from tests.house import Guest
from widget_server.demo import SERVICES, SITE_KEY
from widget_server.domain.slots import Slot

PICTURES = ROOT / "docs" / "pictures"
PHONE, TALL_PHONE, DESK = (360, 590), (360, 740), (1120, 700)
_SIDE_BY_SIDE = """<!doctype html>
<style>
body { margin: 0; padding: 24px; width: max-content; display: flex; gap: 24px; background: #e3e8e6 }
img { border-radius: 16px }
</style>"""
_IMAGE = '<img src="data:image/png;base64,{image}">'
_LENGTHS = {service.key: timedelta(minutes=service.length_min) for service in SERVICES}
_CUSTOMERS = ("Anna Ek", "Ben Ost", "Clara Roth", "Dmitri Orlov", "Emil Lund", "Fatima Aydin", "Grace Moore")


class Studio:
    """The sample site, its operator and its customers."""

    def __init__(self, server: Server, browser: Browser, client: AsyncClient) -> None:
        self._server, self._browser, self._client = server, browser, client

    def room(self, path: str) -> str:
        return f"{self._server.url}/admin/sites/{SITE_KEY}{path}"

    async def visitor(self, size: tuple[int, int] = PHONE, scheme: str = "light") -> Visitor:
        context = await self._browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            locale="en-GB",
            timezone_id=BERLIN.key,
            reduced_motion="reduce",
        )
        return Visitor(await context.new_page())

    async def operator(self) -> Page:
        operator = await self.visitor(DESK)
        await operator.opens(self._server.first_run_link)
        await operator.sets_up("mia@studio.example")
        return operator.page

    async def books(self, slot: Slot, name: str, seats: int = 1) -> None:
        guest = Guest(self._client, SITE_KEY)
        assert (await guest.hold((slot, seats))).status_code == 201
        email = f"{name.split()[0].lower()}@example.org"
        assert (await guest.confirm(customer={"name": name, "email": email})).status_code == 201

    async def holds(self, slot: Slot, seats: int = 1) -> None:
        assert (await Guest(self._client, SITE_KEY).hold((slot, seats))).status_code == 201


def slot(service: str, day: date, hour: int, minute: int = 0) -> Slot:
    starts_at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=BERLIN).astimezone(UTC)
    return Slot(service, starts_at, starts_at + _LENGTHS[service])


def next_monday() -> date:
    today = datetime.now(BERLIN).date()
    return today + timedelta(days=7 - today.weekday())


async def fill(studio: Studio) -> None:
    """A week as a studio has it."""
    monday = next_monday()
    for number, name in enumerate(_CUSTOMERS):
        day = monday + timedelta(days=number)
        await studio.books(slot("yoga", day, 8), name, 3)
        await studio.books(slot("yoga", day, 18), name, min(1 + number, 6))
        await studio.books(slot("consultation", day, 10 + number % 2), name)
        await studio.books(slot("lesson", day, 12), name)
    tuesday = monday + timedelta(days=1)
    for name in _CUSTOMERS[:2]:
        await studio.books(slot("yoga", tuesday, 8), name, 5 if name == _CUSTOMERS[0] else 4)
    await studio.books(slot("yoga", tuesday, 9), "Clara Roth", 6)
    await studio.holds(slot("yoga", tuesday, 10), 5)
    await studio.holds(slot("yoga", tuesday, 19), 2)
    await studio.holds(slot("lesson", monday, 9))


async def shoot(page: Page, name: str) -> None:
    await page.evaluate("document.fonts.ready")
    await page.screenshot(path=PICTURES / f"{name}.png")


async def side_by_side(browser: Browser, name: str, pages: Sequence[Page]) -> None:
    images = [_IMAGE.format(image=b64encode(await page.screenshot()).decode()) for page in pages]
    page = await browser.new_page()
    await page.set_content("\n".join([_SIDE_BY_SIDE, *images]))
    await page.locator("body").screenshot(path=PICTURES / f"{name}.png")
    await page.close()


async def opened_widget(studio: Studio, service: str, size: tuple[int, int] = TALL_PHONE) -> Visitor:
    visitor = await studio.visitor(size)
    await visitor.page.goto(f"{studio._server.url}/w/{SITE_KEY}?service={service}")
    await expect(visitor.page.locator(".slot").first).to_be_visible()
    return visitor


async def picks(page: Page, day: date, time: str) -> None:
    if not await page.locator(f'.day[data-day="{day}"]').count():
        await page.get_by_role("button", name="Next month").click()
    await page.locator(f'.day[data-day="{day}"]').click()
    await expect(page.get_by_text(re.compile(f"^{time}")).first).to_be_visible()


async def holds(page: Page, time: str) -> None:
    await page.locator(".slot-pick", has_text=re.compile(f"^{time}")).click()
    await page.get_by_role("button", name="Continue").click()
    await page.get_by_label("Your name").fill("Hanna Berg")
    await page.get_by_label("E-mail").fill("hanna@example.org")


async def booking(studio: Studio, browser: Browser) -> None:
    tuesday = next_monday() + timedelta(days=1)
    looking, held, booked = [(await opened_widget(studio, "yoga")).page for _ in range(3)]
    for page in (looking, held, booked):
        await picks(page, tuesday, "10:00")
    for page, time in ((held, "09:00"), (booked, "18:00")):
        await holds(page, time)
    await booked.get_by_role("button", name="Confirm booking").click()
    await expect(booked.get_by_role("heading", name="You\u2019re booked")).to_be_visible()
    for page in (looking, held, booked):
        await page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    await side_by_side(browser, "widget", (looking, held, booked))


async def paying(studio: Studio, browser: Browser) -> None:
    friday = next_monday() + timedelta(days=4)
    page = (await opened_widget(studio, "workshop", PHONE)).page
    await picks(page, friday, "13:00")
    await holds(page, "13:00")
    async with page.context.expect_page() as opening:
        await page.get_by_role("button", name="Pay \u20ac38.00").click()
    tab = await opening.value
    await expect(tab.get_by_role("heading", name="Pay")).to_be_visible()
    pay_page = await page.context.new_page()
    await pay_page.goto(tab.url)
    await tab.get_by_role("button", name="Pay").click()
    await expect(tab.get_by_role("heading", name="Your booking")).to_be_visible(timeout=60_000)
    await side_by_side(browser, "paying", (pay_page, page, tab))


async def rooms_on_a_desk(studio: Studio, operator: Page) -> None:
    monday = next_monday()
    await operator.goto(studio.room("/start"))
    await shoot(operator, "start")
    await operator.emulate_media(color_scheme="dark")
    await operator.goto(studio.room(f"/week?on={monday}"))
    await expect(operator.locator(".left").first).to_be_attached()
    await shoot(operator, "week")
    await operator.emulate_media(color_scheme="light")
    for name, path in (
        ("calendar", f"/services/yoga/calendar?week={monday}"),
        ("staff", "/staff/mia"),
        ("reliability", "/reliability"),
        ("settings", "/settings"),
    ):
        await operator.goto(studio.room(path))
        if name == "staff":
            await operator.evaluate("document.querySelector('#shifts-title').scrollIntoView()")
        await shoot(operator, name)


async def forms(studio: Studio, operator: Page) -> None:
    tuesday = next_monday() + timedelta(days=1)
    await operator.goto(studio.room("/blackouts/new"))
    await operator.get_by_label("First day").fill(str(tuesday))
    await operator.get_by_role("button", name="Save blackout").click()
    await operator.get_by_label("Ask them to move").check()
    await operator.get_by_label("Your message to them").fill("The heating is being repaired.")
    await operator.evaluate(
        "document.activeElement.blur(); document.querySelector('.impact fieldset').scrollIntoView()"
    )
    await shoot(operator, "blackout")
    rows = [f"{tuesday + timedelta(days=7 * week)},20:00,21:00,{12 + week}" for week in range(3)]
    table = "\n".join(["date,start,end,capacity", *rows, "tomorrow,9,10,1"])
    await operator.goto(studio.room("/services/yoga/import"))
    await operator.get_by_label("File", exact=True).set_input_files(
        {"name": "slots.csv", "mimeType": "text/csv", "buffer": table.encode()}
    )
    await operator.get_by_role("button", name="Preview").click()
    await shoot(operator, "import")


async def mail(studio: Studio, operator: Page) -> None:
    async with asyncio.timeout(60):
        await operator.goto(studio.room("/messages"))
        while not await operator.get_by_role("link", name="Booking confirmed").count():
            await asyncio.sleep(0.5)
            await operator.reload()
    await operator.get_by_role("link", name="Booking confirmed").first.click()
    await expect(operator.frame_locator("iframe.mail").get_by_role("heading").first).to_be_visible()
    await operator.locator("iframe.mail").scroll_into_view_if_needed()
    await shoot(operator, "mail")


async def rooms_on_a_phone(studio: Studio, browser: Browser, operator: Page) -> None:
    pages = []
    for path in ("/bookings", "/live", ""):
        page = await operator.context.new_page()
        await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        await page.goto(studio.room(path))
        pages.append(page)
    await pages[0].locator(".when a").first.click()
    await expect(pages[0].get_by_role("heading").first).to_be_visible()
    await pages[2].goto(studio.room("/bookings"))
    await side_by_side(browser, "admin", (pages[2], pages[1], pages[0]))
    have, invited = pages[:2]
    for page in (have, invited):
        await page.goto(studio.room("/people"))
    await invited.get_by_label("E-mail").fill("jonas@studio.example")
    await invited.get_by_label("Who of your staff").select_option("Jonas Weber")
    await invited.get_by_role("button", name="Make a link").click()
    await expect(invited.locator("#link")).to_be_visible()
    await have.reload()
    await side_by_side(browser, "people", (invited, have))


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Studio, Browser]]:
    with TemporaryDirectory() as folder:
        server = new_server(Path(folder))
        server.start()
        try:
            async with (
                AsyncClient(base_url=server.url) as client,
                async_playwright() as playwright,
                await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=SWITCHES) as browser,
            ):
                yield Studio(server, browser, client), browser
        finally:
            server.stop()


async def main() -> None:
    async with opened() as (studio, browser):
        operator = await studio.operator()
        await fill(studio)
        await rooms_on_a_desk(studio, operator)
        await forms(studio, operator)
        await rooms_on_a_phone(studio, browser, operator)
        await booking(studio, browser)
        await paying(studio, browser)
        await mail(studio, operator)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
