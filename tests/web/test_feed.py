"""The feed over a real connection: every change is pushed, and any gap is told."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.house import SITE, Guest, House, refused, slot
from tests.live.serving import Stream, served

pytestmark = pytest.mark.anyio

FEED = f"/v1/sites/{SITE}/feed"
DAY = slot().starts_at.date()
MONTH = f"/v1/sites/{SITE}/services/yoga/availability?from={DAY}&to={DAY}"


@asynccontextmanager
async def listening(port: int, path: str = FEED, *, last_event_id: str | None = None) -> AsyncIterator[Stream]:
    headers = {} if last_event_id is None else {"last_event_id": last_event_id}
    stream = await Stream.open(port, path, buffer_bytes=None, **headers)
    try:
        yield stream
    finally:
        await stream.close()


@pytest.fixture
async def port(house: House) -> AsyncIterator[int]:
    async with served(house.app, house.parts.hub.goodbye) as (_, port):
        yield port


def events(stream: Stream, kind: str) -> list[Any]:
    """What was told of this kind, in its order."""
    told = re.findall(rf"^event: {kind}\n(?:id: .*\n)?data: (.*)$", stream.text.decode(), re.MULTILINE)
    return [json.loads(data) for data in told]


async def seen(stream: Stream, **wanted: int) -> dict[str, Any]:
    """The newest state of the first yoga class, once it is the wanted one."""
    for _ in range(100):
        for told in reversed(events(stream, "seats")):
            for state in told["slots"]:
                if state["slot"] == slot().id and all(state[name] == value for name, value in wanted.items()):
                    return dict(state)
        await stream.more()
    raise AssertionError(stream.text)


async def test_everything_that_happens_to_seats_is_pushed_as_it_happens(house: House, port: int) -> None:
    anna = house.guest()
    async with listening(port) as stream:
        await stream.until(b"event: hello")
        held = (await anna.hold((slot(), 2))).json()["hold"]
        state = await seen(stream, held=2, booked=0)
        assert state["frees_at"] == held["expires_at"]
        await anna.confirm()
        state = await seen(stream, held=0, booked=2)
        assert state["frees_at"] is None
        await anna.cancel()
        await seen(stream, held=0, booked=0)
        versions = [state["version"] for told in events(stream, "seats") for state in told["slots"]]
        assert versions == sorted(versions)
        for secret in (anna.id, anna.secret, anna.visitor, anna.order_secret):
            assert secret.encode() not in stream.text


async def test_when_an_order_moves_both_slots_are_told(house: House, port: int) -> None:
    anna, later = house.guest(), slot(day=1)
    await anna.hold((slot(), 2))
    await anna.confirm()
    async with listening(port) as stream:
        await stream.until(b"event: hello")
        await anna.reschedule((later, 2))
        await seen(stream, held=0, booked=0)

        def booked_there() -> bool:
            states = [state for told in events(stream, "seats") for state in told["slots"] if state["slot"] == later.id]
            return any((state["held"], state["booked"]) == (0, 2) for state in states)

        while not booked_there():
            await stream.more()
        together = events(stream, "seats")[-1]["slots"]
        assert {state["slot"] for state in together} == {slot().id, later.id}


async def test_the_stream_begins_with_what_a_browser_needs(house: House, port: int) -> None:
    async with listening(port) as stream:
        text = await stream.until(b"event: hello")

    assert re.match(rb"retry: [1-6]\d{3}\n\nevent: hello\ndata: {\"server_now\":\"[^\"]+Z\"}\n\n", text)
    head = stream.head.decode().lower()
    assert head.startswith("http/1.1 200")
    assert "content-type: text/event-stream; charset=utf-8" in head
    assert "cache-control: no-store" in head
    assert "x-accel-buffering: no" in head
    assert "frame-ancestors 'none'" in head


async def test_what_happened_between_reading_and_listening_is_not_missed(house: House, port: int) -> None:
    feed_id = (await house.client.get(MONTH)).json()["feed_id"]
    await house.guest().hold((slot(), 3))

    async with listening(port, f"{FEED}?last_event_id={feed_id}") as stream:
        await seen(stream, held=3)
    async with listening(port, last_event_id=feed_id) as stream:
        await seen(stream, held=3)


async def test_whoever_was_away_for_too_long_is_told_to_read_again(house: House, port: int) -> None:
    for gone in ("1.1-0", "0.0-0", "99.99999999999999-0", "junk", "1.", "%C3%A4", "-1.-1", "9." + "9" * 60):
        async with listening(port, f"{FEED}?last_event_id={gone}") as stream:
            await stream.until(b"event: reset")


async def test_an_id_that_is_too_long_is_refused(house: House) -> None:
    refused(await house.client.get(f"{FEED}?last_event_id={'1' * 65}"), 400, "invalid_request")
    refused(await house.client.get("/v1/sites/nobody/feed"), 404, "not_found")


async def test_a_redis_that_was_filled_anew_is_told_as_a_reset(house: House, port: int) -> None:
    async with listening(port) as stream:
        await stream.until(b"event: hello")
        await house.parts.use_cases.reconciliation.fill(SITE)
        told = {"epoch": (await house.site()).epoch}
        while told not in events(stream, "reset"):  # that it was filled at first may be told, too
            await stream.more()

    assert events(stream, "reset")[-1] == told


async def test_a_wiped_redis_is_told_as_a_reset(house: House, port: int) -> None:
    async with listening(port) as stream:
        await stream.until(b"event: hello")
        await house.flush()
        assert (await house.guest().hold()).status_code == 201
        await stream.until(b"event: reset")


async def test_a_change_of_the_settings_is_told(house: House, port: int) -> None:
    async with listening(port) as stream:
        await stream.until(b"event: hello")
        await house.change_settings(hold_minutes=5)
        await stream.until(b"event: schedule")

    assert events(stream, "schedule")[-1] == {"version": (await house.site()).schedule_version}


async def test_one_site_does_not_hear_of_another(house: House, port: int) -> None:
    await house.found("other")
    async with listening(port) as stream:
        await stream.until(b"event: hello")
        await Guest(house.client, "other").hold((slot(), 5))
        await house.guest().hold((slot(), 1))
        await seen(stream, held=1)

    assert {state["held"] for told in events(stream, "seats") for state in told["slots"]} == {1}


async def test_a_server_that_goes_says_goodbye(house: House, port: int) -> None:
    async with listening(port) as stream:
        await stream.until(b"event: hello")
        house.parts.hub.goodbye()
        assert b"event: bye\ndata: {}\n\n" in await stream.to_the_end()

    refused(await house.client.get(FEED), 503, "unavailable")


async def test_a_reader_that_leaves_gives_its_place_back(house: House, port: int) -> None:
    for _ in range(3):
        async with listening(port) as stream:
            await stream.until(b"event: hello")
            assert house.parts.hub.readers == 1
        await house.eventually(lambda: house.parts.hub.readers == 0)
