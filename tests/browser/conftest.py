"""One browser and one server for these tests, a new site for each, and a server of its own for what breaks things."""

import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, Playwright, async_playwright, expect

from tests.browser.devices import Devices
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
    # Else it keeps one in reserve for every page, which takes a sixth of its work. Sites are kept apart all the same.
    "--renderer-process-limit=1",
    # As desktops do, but not the headless shell by itself: the widget runs in another process than its host page.
    "--site-per-process",
]
Invite = Callable[..., Awaitable[Visitor]]


@pytest.fixture(scope="package")
async def playwright() -> AsyncIterator[Playwright]:
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
async def browser(playwright: Playwright) -> AsyncIterator[Browser]:
    """The engine alone, where it is installed: it takes a quarter less than with all that people have around it."""
    async with await launched(playwright, "chromium-headless-shell", "chromium") as browser:
        yield browser


@pytest.fixture(scope="package")
async def whole_browser(playwright: Playwright) -> AsyncIterator[Browser]:
    """Also with what its owner can forbid, such as storage of third parties."""
    async with await launched(playwright, "chromium") as browser:
        yield browser


async def launched(playwright: Playwright, *programs: str) -> Browser:
    """The first of these that is there."""
    program = next(filter(None, map(shutil.which, programs)), None)
    assert program is not None, "the widget is tested in Debian's chromium: install it"
    return await playwright.chromium.launch(executable_path=program, args=SWITCHES)


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


@pytest.fixture(scope="package")
async def devices(browser: Browser) -> Devices:
    return Devices(browser, PATIENCE_MS)


@pytest.fixture
async def invite(devices: Devices) -> AsyncIterator[Invite]:
    async with inviting(devices) as invite:
        yield invite


@pytest.fixture
async def invite_with_whole_browser(whole_browser: Browser) -> AsyncIterator[Invite]:
    async with inviting(Devices(whole_browser, PATIENCE_MS)) as invite:
        yield invite


@asynccontextmanager
async def inviting(devices: Devices) -> AsyncIterator[Invite]:
    """Makes a visitor. At the end, no console may have complained of anything that the test did not expect."""
    visitors: dict[str, Visitor] = {}
    lent: list[tuple[Visitor, dict[str, Any]]] = []

    async def invite(name: str, *, width: int = 1200, own: bool = False, **wishes: Any) -> Visitor:
        """`own`: with a device that nobody else gets, as its clock is set or a script added to all of its pages."""
        asked: dict[str, Any] = {
            "locale": "en-GB",
            "timezone_id": "Europe/Berlin",
            "reduced_motion": "reduce",
            "width": width,
        } | wishes
        visitors[name] = Visitor(await (devices.new if own else devices.lend)(**asked))
        if not own:
            lent.append((visitors[name], asked))
        return visitors[name]

    yield invite
    heard = {name: heard for name, visitor in visitors.items() if (heard := visitor.unexpected())}
    for visitor in visitors.values():
        visitor.leaves()
    for visitor, asked in lent:
        await devices.take_back(visitor.page, **asked)
    for visitor in visitors.values():
        if all(visitor is not one for one, _ in lent):
            await visitor.context.close()
    assert heard == {}
