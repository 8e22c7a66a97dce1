"""Several processes on PostgreSQL and a Redis of their own, set up as docs/operations.md says."""

import asyncio
import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, time
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx2
import psycopg
import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.chaos.mother import mother_of
from tests.chaos.patience import STEP_S
from tests.chaos.processes import Tenuto
from tests.domain.schedules import daily
from tests.engine.servers import Valkey, free_port
from tests.house import SITE, slot
from tests.store.conftest import postgres_server  # noqa: F401
from tests.store.studio import YOGA
from widget_server.bootstrap import assembled
from widget_server.ids import new_id
from widget_server.settings import Settings
from widget_server.store.schedule import put_openings, put_service

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
PATIENCE_S = 60.0


@pytest.fixture
def environment(postgres_server: str, tmp_path: Path) -> Iterator[dict[str, str]]:  # noqa: F811
    """What the page says, with our addresses, and all of it. The database is as empty as a new one."""
    with psycopg.connect(postgres_server.format(name="postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS tenuto")
        connection.execute("CREATE DATABASE tenuto")
    (tmp_path / "v").mkdir()
    valkey = Valkey(tmp_path / "v", "--appendonly", "yes", "--appendfsync", "everysec")
    valkey.start()
    ours = {
        "TENUTO_DATABASE_URL": postgres_server.format(name="tenuto").replace("postgresql:", "postgresql+psycopg:"),
        "TENUTO_REDIS_URL": valkey.url,
        "TENUTO_SECRET_KEY": new_id() * 2,
        "TENUTO_PUBLIC_URL": "https://book.example.org",
        "TENUTO_HOST": "127.0.0.1",
        "TENUTO_TRUSTED_PROXIES": "127.0.0.0/8",
        "TENUTO_DATA_DIR": str(tmp_path / "data"),
    }
    (block,) = re.findall(r"```sh\n(.*?)```", OPERATIONS, re.DOTALL)
    assert {line.partition("=")[0] for line in block.splitlines()} == set(ours)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TENUTO_")}
    yield {**kept, **ours, "PYTHONPATH": str(ROOT)}
    valkey.stop()


def tenuto(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Exit code and what it printed."""
    log = Path(environment["TENUTO_DATA_DIR"]).with_name(f"{new_id()}.log")
    code = mother_of(ROOT).child(arguments, log.parent, environment, log).wait(PATIENCE_S)
    return code, log.read_text()


@contextmanager
def running(environment: dict[str, str], *arguments: str, says: str) -> Iterator[None]:
    folder = Path(environment["TENUTO_DATA_DIR"]).parent
    process = Tenuto(new_id(), arguments, folder, env=environment, tree=ROOT)
    process.start()
    try:
        until_s = monotonic() + PATIENCE_S
        while not process.said().startswith(says):
            assert process.runs, process.said()
            assert monotonic() < until_s, process.said()
            sleep(STEP_S)
        yield
    finally:
        process.end(signal.SIGTERM)


def told_of(feed: Iterator[str], slot_id: str) -> dict[str, Any]:
    """The first state of this slot that the feed tells."""
    for line in feed:
        for told in json.loads(line[6:]).get("slots", ()) if line.startswith("data: ") else ():
            if told["slot"] == slot_id:
                state: dict[str, Any] = told
                return state
    raise AssertionError("the feed has ended")


async def open_yoga(environment: dict[str, str]) -> None:
    """As an operator does: each day."""
    ours = {name.removeprefix("TENUTO_").lower(): value for name, value in environment.items() if "TENUTO_" in name}
    async with assembled(Settings(**ours), ours["redis_url"]) as parts:  # type: ignore[arg-type]
        await parts.use_cases.reconciliation.ensure_loaded(SITE)
        site = await parts.sites.by_key(SITE)
        assert site is not None

        async def write(session: AsyncSession) -> None:
            await put_service(session, site.id, YOGA, at=datetime.now(UTC))
            await put_openings(session, site.id, YOGA.key, daily(YOGA.key, time(8), time(12)))

        await parts.use_cases.scheduling.change(site, write)


def test_two_web_processes_and_two_workers_on_postgres_are_one_server(environment: dict[str, str]) -> None:
    assert tenuto(environment, "serve")[0] == 1, "tables first"
    assert tenuto(environment, "migrate") == (0, "The tables are up to date.\n")
    assert tenuto(environment, "create-site", SITE, "--zone", "UTC")[0] == 0
    asyncio.run(open_yoga(environment))
    ports = [free_port(), free_port()]
    one, other = (f"http://127.0.0.1:{port}/v1/sites/{SITE}" for port in ports)
    anna = {"authorization": f"Bearer {new_id()}"}
    hold_id = new_id()

    with ExitStack() as at_the_end:
        for port in ports:
            at_the_end.enter_context(running(environment, "serve", "--port", str(port), says="Serving"))
        for _ in range(2):
            at_the_end.enter_context(running(environment, "worker", says="Working"))
        feed = at_the_end.enter_context(httpx2.stream("GET", f"{other}/feed", timeout=PATIENCE_S)).iter_lines()
        assert next(feed)

        body = {"id": hold_id, "visitor": new_id(), "lines": [{"slot": slot().id, "seats": 2}]}
        held = httpx2.post(f"{one}/holds", json=body, headers=anna, timeout=PATIENCE_S)
        assert held.status_code == 201, held.text
        assert told_of(feed, slot().id)["held"] == 2

        confirmation = {"customer": {"name": "Anna Berg"}}
        url = f"{other}/holds/{hold_id}/confirmation"
        booked = httpx2.post(url, json=confirmation, headers=anna, timeout=PATIENCE_S)
        assert booked.status_code == 201, booked.text
        for url in (one, other):
            ready = httpx2.get(url.replace(f"/v1/sites/{SITE}", "/readyz"), timeout=PATIENCE_S)
            assert ready.json()["status"] == "ready"
        code, told = tenuto(environment, "audit", "--json")
        assert (code, json.loads(told)["findings"]) == (0, []), told
