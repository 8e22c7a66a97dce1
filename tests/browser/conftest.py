"""One browser and one server for these tests, a new site for each, and a server of its own for what breaks things."""

import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.hosting import Host, hosting
from tests.browser.people import Visitor
from tests.browser.serving import LESSON, YOGA, Server, Studio, new_server

PATIENCE_MS = 45_000
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--test-third-party-cookie-phaseout",
]
TALL = 2000
"""So that nothing scrolls: for half a second after a frame has moved, Chromium drops what is pressed in it."""
Invite = Callable[..., Awaitable[Visitor]]


@pytest.fixture(scope="package")
async def browser() -> AsyncIterator[Browser]:
    program = shutil.which("chromium")
    assert program is not None, "the widget is tested in Debian's chromium: install it"
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=SWITCHES)
        yield browser
        await browser.close()


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = new_server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """For modules whose tests move its clock, wipe its Redis or stop it."""
    server = new_server(tmp_path_factory.mktemp("own-server"))
    server.start()
    yield server
    server.stop(signal.SIGTERM)


@pytest.fixture(scope="package")
def host() -> Iterator[Host]:
    with hosting() as host:
        yield host


@pytest.fixture
async def studio(server: Server, host: Host) -> Studio:
    return await server.open_studio(LESSON, YOGA, origins=[host.origin])


@pytest.fixture
async def own_studio(own_server: Server, host: Host) -> Studio:
    return await own_server.open_studio(LESSON, YOGA, origins=[host.origin])


@pytest.fixture
async def invite(browser: Browser) -> AsyncIterator[Invite]:
    """Makes a visitor. At the end, no console may have complained of anything that the test did not expect."""
    visitors: dict[str, Visitor] = {}

    async def invite(name: str, *, width: int = 1200, **wishes: Any) -> Visitor:
        asked = {"locale": "en-GB", "timezone_id": "Europe/Berlin", "reduced_motion": "reduce"} | wishes
        context = await browser.new_context(viewport={"width": width, "height": TALL}, **asked)
        context.set_default_timeout(PATIENCE_MS)
        visitors[name] = Visitor(await context.new_page())
        return visitors[name]

    yield invite
    for visitor in visitors.values():
        await visitor.context.close()
    assert {name: heard for name, visitor in visitors.items() if (heard := visitor.unexpected())} == {}
