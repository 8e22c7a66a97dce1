"""Fixtures that several folders of tests need."""

import gc
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
from redis import Redis
from sqlalchemy import Engine, make_url
from sqlalchemy.dialects.postgresql.psycopg import PGDialectAsync_psycopg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.util import LRUCache

from tests.engine.servers import Valkey
from tests.house import House, opened
from tests.payments.shop import Shop, opened_shop
from tests.use_cases.till import Till, opened_till
from widget_server.bootstrap import log_plainly
from widget_server.payments.fake_stripe.faults import Faults, Post
from widget_server.store import migrations
from widget_server.use_cases import passwords

_YOUNG_OBJECTS = 50_000
"""Likewise in `serving.py`, and here more: what all tests import is looked through less often."""
_STATEMENTS_KEPT = 2_000
_IN_MEMORY, _ROOM = Path("/dev/shm"), 4 << 30  # noqa: S108
_TEMP_PATH_MAX = 60
"""Paths of sockets end at some hundred bytes, and those of the servers that tests start are below the temp folder."""
_FIRST = ("tests/chaos/", "tests/browser/")
"""What takes longest, so that those who share the work end together. In a row, as a folder has one browser and one
server for each of them only until they turn to another folder."""
_LAST = "tests/chaos/test_stories_"
"""As many as three who share the work take equally long, and where time is short these are left out."""


class _Failures:
    """A run that is cut off never gets to its summary, so whatever fails is named when it does."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._terminal.write_line(f"\n{report.nodeid} ({report.when}) {_last_line(report)}", red=True)


def _last_line(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash else report.longrepr)[:300]


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    _write_to_memory()
    gc.set_threshold(_YOUNG_OBJECTS)
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Failures(terminal), "failures")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    sizes = Counter(item.path for item in items)
    items.sort(key=lambda item: (_turn(item.nodeid), -sizes[item.path], str(item.path)))


def _turn(test: str) -> int:
    if test.startswith(_LAST):
        return len(_FIRST) + 1
    return next((turn for turn, path in enumerate(_FIRST) if test.startswith(path)), len(_FIRST))


def _write_to_memory() -> None:
    """Thousands of databases that are gone a moment later: no test waits for a disk, where files can be in memory."""
    is_too_long = len(os.fsencode(tempfile.gettempdir())) > _TEMP_PATH_MAX
    if "TMPDIR" in os.environ and not is_too_long:
        return
    has_room = _IN_MEMORY.is_dir() and os.access(_IN_MEMORY, os.W_OK) and _free(_IN_MEMORY) >= _ROOM
    if has_room or is_too_long:
        folder = str(_IN_MEMORY) if has_room else "/tmp"  # noqa: S108
        os.environ["TMPDIR"] = tempfile.tempdir = folder  # also that of all programs which tests start


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes() -> Iterator[None]:
    """Else a tenth of a second each, a thousand times. `tests/use_cases/test_passwords.py` looks at the real ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "PasswordHasher", lambda: PasswordHasher.from_parameters(CHEAPEST))
        yield


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """As the product writes them. Else a fault is shown with its sources in colours, for a fifth of a second each."""
    log_plainly()


@pytest.fixture(scope="session", autouse=True)
def compiled_once() -> Iterator[None]:
    """Each house opens databases of its own, and would compile all its statements anew: a sixth of a test's time."""
    compiled: LRUCache[Any, Any] = LRUCache(_STATEMENTS_KEPT)
    with pytest.MonkeyPatch.context() as patch:
        for dialect in (SQLiteDialect_aiosqlite, PGDialectAsync_psycopg):
            patch.setattr(dialect, "__eq__", lambda one, other: type(one) is type(other))
            patch.setattr(dialect, "__hash__", lambda one: hash(type(one)))
        patch.setattr(Engine, "_compiled_cache", property(lambda _: compiled, lambda *_: None), raising=False)
        yield


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    # Socket paths have a limit of about a hundred bytes, which pytest's own folders may pass.
    with TemporaryDirectory(prefix="tenuto-") as folder:
        server = Valkey(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def oldest_redis() -> Iterator[Valkey]:
    """The oldest server that we promise to work with, as Debian has it: Redis 7.0."""
    server = shutil.which("redis-server")
    if server is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is missing: install it, as CI has to test with Redis 7.0, too")
        pytest.skip("redis-server is not installed")
    with TemporaryDirectory(prefix="tenuto-") as folder:
        redis = Valkey(Path(folder), server=server)
        redis.start()
        yield redis
        redis.stop()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables and nothing in them, to be copied."""
    path = tmp_path_factory.mktemp("template") / "migrated.sqlite3"
    migrations.upgrade(make_url(f"sqlite:///{path}"))
    return path


@pytest.fixture
def empty_valkey(valkey: Valkey) -> Valkey:
    with Redis.from_url(valkey.url) as redis:
        redis.flushall()
    return valkey


@pytest.fixture
async def house(empty_valkey: Valkey, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[House]:
    """A server of the test's own, with an empty Redis but for the site `studio`."""
    async with opened(empty_valkey.url, sqlite_template, tmp_path) as house:
        yield house


@pytest.fixture(scope="session")
async def pretend_stripe() -> AsyncIterator[Shop]:
    async with opened_shop() as shop:
        yield shop


@pytest.fixture
async def shop(pretend_stripe: Shop) -> Shop:
    """An account of the test's own at one pretend Stripe, which nothing goes wrong with yet."""
    books = pretend_stripe.books
    books.faults, books.post = Faults(), Post()
    return replace(pretend_stripe, account=books.open_account(name="Studio"))


@pytest.fixture
async def till(shop: Shop, empty_valkey: Valkey, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Till]:
    """A site that takes payments."""
    async with opened_till(empty_valkey.url, sqlite_template, tmp_path, shop) as till:
        yield till
