"""Whole visits, from the embed script to the order page: web, worker, Valkey and SQLite over real connections."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from httpx2 import AsyncClient

from tests.house import SITE, Guest, House, refused, slot
from tests.live.serving import Stream, served
from tests.store.studio import TALK
from widget_server.domain.slots import Slot
from widget_server.ids import new_id

pytestmark = pytest.mark.anyio

PATIENCE_S = 60.0
FULL, HELD, OPEN = "full", "held", "open"


@dataclass
class Widget:
    """An open widget: reads once, then believes what it is pushed, as the browser's does."""

    guest: Guest
    stream: Stream
    slots: dict[str, dict[str, Any]]
    resets: int = 0
    heard: int = 0

    @staticmethod
    @asynccontextmanager
    async def opened(client: AsyncClient, port: int) -> AsyncIterator["Widget"]:
        slots, feed_id = await read_talks(client)
        stream = await Stream.open(port, f"/v1/sites/{SITE}/feed?last_event_id={feed_id}")
        try:
            yield Widget(Guest(client), stream, slots)
        finally:
            await stream.close()

    async def shows(self, state: str, of: Slot) -> dict[str, Any]:
        """The slot, once it is shown in this state."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                shown = self.slots[of.id]
                left = shown["capacity"] - shown["held"] - shown["booked"]
                if state == (OPEN if left > 0 else HELD if shown["held"] else FULL):
                    return shown
                await self.stream.more(PATIENCE_S)
                await self._take_in()

    async def _take_in(self) -> None:
        told = re.findall(r"^event: (\w+)\n(?:id: .*\n)?data: (.*)\n\n", self.stream.text.decode(), re.MULTILINE)
        for kind, data in told[self.heard :]:
            if kind == "reset":
                self.resets += 1
                self.slots, _ = await read_talks(self.guest.client)
            elif kind == "seats":
                for state in json.loads(data)["slots"]:
                    shown = self.slots.get(state["slot"])
                    if shown is not None and state["version"] > shown["version"]:
                        shown.update(state)
        self.heard = len(told)


async def read_talks(client: AsyncClient) -> tuple[dict[str, dict[str, Any]], str]:
    day = slot().starts_at.date()
    answer = await client.get(f"/v1/sites/{SITE}/services/talk/availability?from={day}&to={day}")
    month = answer.json()
    return {shown["id"]: shown for shown in month["slots"]}, month["feed_id"]


@pytest.fixture
async def port(house: House) -> AsyncIterator[int]:
    """Of a server with a worker beside it."""
    worker = asyncio.create_task(house.parts.use_cases.reconciliation.run("tenuto"))
    async with served(house.app, house.parts.hub.goodbye) as (_, port):
        yield port
    worker.cancel()
    await asyncio.wait([worker])


@pytest.fixture
async def anna(house: House, port: int) -> AsyncIterator[Widget]:
    async with AsyncClient(base_url=f"http://127.0.0.1:{port}") as client, Widget.opened(client, port) as widget:
        yield widget


@pytest.fixture
async def ben(house: House, port: int) -> AsyncIterator[Widget]:
    async with AsyncClient(base_url=f"http://127.0.0.1:{port}") as client, Widget.opened(client, port) as widget:
        yield widget


LAST_SEAT = slot(TALK)


async def test_of_two_visitors_one_gets_the_last_seat_and_the_other_sees_it_happen(anna: Widget, ben: Widget) -> None:
    assert (await anna.guest.hold(LAST_SEAT)).status_code == 201

    shown = await ben.shows(HELD, LAST_SEAT)
    assert shown["frees_at"] is not None
    refused(await ben.guest.hold(LAST_SEAT), 409, "slot_full")
    assert (await anna.guest.confirm()).status_code == 201
    await ben.shows(FULL, LAST_SEAT)
    assert (await anna.guest.cancel()).status_code == 200
    await ben.shows(OPEN, LAST_SEAT)
    assert (await ben.guest.hold(LAST_SEAT)).status_code == 201
    await anna.shows(HELD, LAST_SEAT)


async def test_when_a_countdown_runs_out_the_seat_is_free_in_the_other_widget(
    house: House, anna: Widget, ben: Widget
) -> None:
    await anna.guest.hold(LAST_SEAT)
    await ben.shows(HELD, LAST_SEAT)
    await house.advance(timedelta(minutes=9, seconds=59))
    await ben.guest.hold(slot(TALK, number=1))  # wakes the worker, which sleeps by its own watch

    await ben.shows(OPEN, LAST_SEAT)
    assert (await ben.guest.release()).status_code == 204
    assert (await replace(ben.guest, id=Guest(ben.guest.client).id).hold(LAST_SEAT)).status_code == 201
    refused(await anna.guest.confirm(), 409, "slot_full")


async def test_a_wiped_redis_costs_a_moment_and_a_hold_but_no_booking(house: House, anna: Widget, ben: Widget) -> None:
    other = slot(TALK, number=1)
    await anna.guest.hold(LAST_SEAT)
    await anna.guest.confirm()
    await ben.guest.hold(other)
    await anna.shows(HELD, other)
    await house.flush()

    await anna.shows(OPEN, other)
    assert anna.resets > 0
    await anna.shows(FULL, LAST_SEAT)
    refused(await ben.guest.confirm("Ben Oak"), 404, "not_found")
    ben.guest.id = new_id()  # as a widget that was told no
    assert (await ben.guest.hold(other)).status_code == 201
    assert (await ben.guest.confirm("Ben Oak")).status_code == 201
    await anna.shows(FULL, other)


async def test_from_the_embed_script_to_the_order_page(house: House, anna: Widget, port: int) -> None:
    client = anna.guest.client
    assert "tenuto-booking" in (await client.get("/embed.js")).text
    page = await client.get(f"/w/{SITE}")
    for file in re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text):
        assert (await client.get(file)).status_code == 200, file
    services = (await client.get(f"/v1/sites/{SITE}/services")).json()["services"]
    assert "talk" in [service["id"] for service in services]

    held = (await anna.guest.hold(LAST_SEAT)).json()["hold"]
    assert (await anna.guest.renew(held["version"])).status_code == 200
    confirmed = (await anna.guest.confirm()).json()
    path, _, secret = confirmed["order_url"].removeprefix("http://localhost:8000").partition("#")
    order_page = await client.get(path)
    assert order_page.status_code == 200
    assert secret not in order_page.text
    assert "Anna" not in order_page.text, "the page asks for the order itself"
    assert (await anna.guest.order()).json()["order"]["number"] == confirmed["order"]["number"]
