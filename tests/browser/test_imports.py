"""An operator imports slots from a file, at a desk and on a phone: open widgets have them at once."""

from datetime import timedelta

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import is_sound
from tests.browser.serving import YOGA, Server
from tests.browser.test_schedule_pages import PHONE, arrive, evening, in_two_days, room

pytestmark = pytest.mark.anyio


async def test_slots_of_a_file_are_previewed_mended_and_added(server: Server, host: Host, invite: Invite) -> None:
    operator, visitor = await invite("operator", width=PHONE), await invite("visitor")
    studio = await server.open_studio(YOGA, origins=[host.origin])
    await arrive(server, studio, operator)
    await visitor.opens(host.page(studio))
    await visitor.looks_at(studio.slot(YOGA))
    await expect(visitor.row(studio.slot(YOGA))).to_be_visible()
    page, day = operator.page, in_two_days().date()
    there = f"{day},10:00,11:00\n" if studio.slot(YOGA).starts_at.date() == day else ""
    table = f"date,start,end\n{day},20:00,25:00\n{day + timedelta(days=1)},20:00,21:00\n{there}2020-01-01,09:00,10:00\n"

    await page.goto(room(studio, f"services/{YOGA.key}/calendar"))
    await page.get_by_role("link", name="Import").click()
    await is_sound(page, "which file?")
    await page.get_by_label("File", exact=True).set_input_files(
        {"name": "slots.csv", "mimeType": "text/csv", "buffer": table.encode()}
    )
    await page.get_by_role("button", name="Preview").click()
    await expect(page.get_by_text("25:00 is no time.")).to_be_visible()
    await expect(page.get_by_role("button", name="Add this slot")).to_be_visible()
    await is_sound(page, "a preview")

    await page.get_by_label("Text", exact=True).fill(table.replace("25:00", "21:00"))
    await page.get_by_role("button", name="Preview again").click()
    await page.get_by_role("button", name="Add these 2 slots").click()
    await expect(page.get_by_text("2 slots added.")).to_be_visible()
    await expect(visitor.row(evening())).to_be_visible()

    await page.get_by_role("link", name="Export").click()
    await is_sound(page, "what to export?")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="CSV for spreadsheets").click()
    exported = await (await download.value).path()
    assert f"{day},20:00,21:00,{YOGA.capacity}" in exported.read_text("utf-8-sig")
