"""The only place that starts all parts and ends them again, for the web, the worker and the commands.

What each is made of stands in `assembly/`.
"""

import asyncio
import os
import re
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from starlette.applications import Starlette

from widget_server.assembly import Assembly
from widget_server.engine.connection import connect
from widget_server.engine.embedded import EmbeddedRedis, start_or_attach
from widget_server.errors import Fault, Unavailable
from widget_server.live.hub import Hub
from widget_server.settings import Settings
from widget_server.store import sites as stored_sites
from widget_server.store.database import Database
from widget_server.use_cases.posting import Posting
from widget_server.web.app import create_app
from widget_server.web.context import UseCases
from widget_server.web.guards import TrustedNetworks

KEY_LENGTH_MIN = 32
LOOK_EVERY_S = 1.0
"""So soon is a new partition noticed; until then its widgets are answered from Redis, and none of them hears news."""
_REFUSED_ROW = re.compile(r"^DETAIL: .*\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Parts:
    """All parts of one process, connected."""

    settings: Settings
    use_cases: UseCases
    sites: stored_sites.Sites
    database: Database
    hub: Hub
    posting: Posting
    first_partition: str
    """Where the first site will be; it is served before there is any."""

    async def partitions(self) -> set[str]:
        return {self.first_partition, *await self.sites.partitions()}

    async def work(self) -> None:
        """All that a worker does, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.in_each_partition(self.use_cases.reconciliation.run))
            tasks.create_task(self.posting.run())
            tasks.create_task(self.use_cases.settling.run())
            tasks.create_task(self.use_cases.payment_accounts.run())
            tasks.create_task(self.use_cases.clearings.run())
            tasks.create_task(self.use_cases.kept_slots.run())

    async def in_each_partition(self, act: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        """Do something endless for every partition, also for those that get their first site later; until cancelled."""
        served: set[str] = set()
        async with asyncio.TaskGroup() as tasks:
            while True:
                with suppress(Unavailable):
                    for partition in await self.partitions() - served:
                        served.add(partition)
                        tasks.create_task(act(partition))
                await asyncio.sleep(LOOK_EVERY_S)


@contextmanager
def redis_of(settings: Settings) -> Iterator[tuple[str, EmbeddedRedis | None]]:
    """The address of Redis: the one that is set, or an embedded server that ends with us. Raises Fault.

    To be called in the main thread, before the event loop: the server's life hangs on the thread that started it.
    """
    if settings.redis_url is not None:
        yield settings.redis_url, None
        return
    embedded = start_or_attach(settings.data_dir)
    try:
        yield embedded.url, embedded
    finally:
        embedded.stop()


@asynccontextmanager
async def assembled(settings: Settings, redis_url: str) -> AsyncIterator[Parts]:
    """Everything built, and taken apart again at the end. Raises Fault for settings that make no sense."""
    database = Database(settings.database_url, settings.data_dir)
    connection = await connect(redis_url)
    made = Assembly(settings, database=database, connection=connection, key=secret_key(settings))
    parts = Parts(
        settings=settings,
        use_cases=made.use_cases,
        sites=made.sites,
        database=database,
        hub=made.hub,
        posting=made.posting,
        first_partition=connection.partitions[0],
    )
    try:
        yield parts
    finally:
        await made.close()


def application(parts: Parts) -> Starlette:
    """The web application; while it runs, it follows the feeds."""
    state: dict[str, Any] = {
        "use_cases": parts.use_cases,
        "base_url": parts.settings.base_url,
        "trusted_proxies": TrustedNetworks(parts.settings.trusted_proxies),
    }

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Any]]:
        following = asyncio.create_task(parts.in_each_partition(parts.use_cases.availability.follow))
        try:
            yield state
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    return create_app(lifespan)


def secret_key(settings: Settings) -> bytes:
    """The server's key: from the environment, or made once and kept in the data folder, for us alone to read."""
    if settings.secret_key is not None:
        given = settings.secret_key.get_secret_value().encode()
        if len(given) < KEY_LENGTH_MIN:
            raise Fault(f"TENUTO_SECRET_KEY is too short: use at least {KEY_LENGTH_MIN} random characters.")
        return given
    try:
        return _kept_key(settings.data_dir / "secret-key")
    except OSError as problem:
        raise Fault(f"The data folder {settings.data_dir} cannot be used: {problem.strerror}.") from problem


def _kept_key(path: Path) -> bytes:
    """Written aside and then linked: whoever finds the file finds all of it, and the first to link has made the key."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        aside = path.with_name(f"{path.name}.{os.getpid()}")
        aside.touch(mode=0o600)
        aside.write_text(secrets.token_urlsafe(48))
        try:
            path.hardlink_to(aside)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    return path.read_bytes()


def log_plainly() -> None:
    """One line an event, with a time; no personal data and no secrets are ever given to it."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _without_rows,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ]
    )


def _without_rows(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """PostgreSQL shows the whole row that it refused: names and addresses."""
    if "exception" in event:
        event["exception"] = _REFUSED_ROW.sub("", event["exception"])
    return event
