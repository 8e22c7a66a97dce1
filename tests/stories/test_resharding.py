"""A small town on a Cluster: two web processes, two workers, and people who book while servers pass a slot around."""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import pytest

from tests.chaos.mother import mother_of
from tests.chaos.patience import until
from tests.chaos.processes import Tenuto
from tests.chaos.watchers import Watcher
from tests.engine.fleets import Sharded
from tests.engine.servers import free_port
from tests.house import SITE, Guest, House, opened, slot
from tests.store.studio import YOGA
from widget_server.domain.slots import Slot

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
PATIENCE_S, PAUSE_S = 60.0, 0.05
ANSWER_MAX_S = 20.0
VISITORS, SERVED_MIN = 4, 10
CHANCE = random.Random(7)  # noqa: S311
SLOTS = [slot(day=day, number=number) for day in range(4) for number in range(4)]
ELSEWHERE = "elsewhere"
"""A site of another partition, which stays where it is."""


@dataclass
class Web:
    url: str


@dataclass
class Town:
    cluster: Sharded
    house: House
    """For its site and its line to Redis; it works as one more web process."""
    webs: list[Web]
    environment: dict[str, str]
    folder: Path

    def audit(self) -> list[object]:
        """What `tenuto audit` finds."""
        log = self.folder / "audit.log"
        arguments = ("audit", "--json")
        assert mother_of(ROOT).child(arguments, self.folder, self.environment, log).wait(PATIENCE_S) in (0, 1)
        findings: list[object] = json.loads(log.read_text())["findings"]
        return findings


@pytest.fixture
def cluster() -> Iterator[Sharded]:
    with TemporaryDirectory(prefix="tenuto-") as folder, Sharded(Path(folder)) as cluster:
        yield cluster


@pytest.fixture
async def town(cluster: Sharded, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Town]:
    async with opened(cluster.url, sqlite_template, tmp_path) as house:
        await house.found(ELSEWHERE)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TENUTO_")}
        ours = {"TENUTO_REDIS_URL": cluster.url, "TENUTO_DATA_DIR": str(tmp_path), "TENUTO_HOST": "127.0.0.1"}
        environment = {**kept, **ours, "PYTHONPATH": str(ROOT)}

        def process(name: str, *arguments: str) -> Tenuto:
            return Tenuto(name, arguments, tmp_path, env=environment, tree=ROOT)

        ports = [free_port(), free_port()]
        webs = [process(f"web{port}", "serve", "--port", str(port)) for port in ports]
        workers = [process("worker1", "worker"), process("worker2", "worker")]
        try:
            for one in (*webs, *workers):
                one.start()
            for one in (*webs, *workers):
                await until(partial(says_so, one))
            places = [Web(f"http://127.0.0.1:{port}") for port in ports]
            yield Town(cluster, house, places, environment, tmp_path)
        finally:
            for one in (*webs, *workers):
                one.end(signal.SIGKILL)
        for one in (*webs, *workers):
            assert "Traceback" not in one.said(), one.said()


async def says_so(process: Tenuto) -> bool:
    assert process.runs, process.said()
    return process.said().startswith(("Serving", "Working"))


class Visitors:
    """They come to either web process, each call to another one, and ask again where they are told to."""

    def __init__(self, clients: list[httpx2.AsyncClient], site: str, chance: random.Random) -> None:
        self._clients, self._site, self._chance = clients, site, chance
        self.booked: dict[str, tuple[Slot, int]] = {}
        """By hold id: what they were told is theirs."""
        self.answers: Counter[int] = Counter()
        self.is_over = False

    async def come(self) -> None:
        while not self.is_over:
            guest = Guest(self._clients[0], self._site)
            of, seats = self._chance.choice(SLOTS), self._chance.choice((1, 2))
            held = await self._served(guest, partial(guest.hold, (of, seats)))
            if held.status_code == 409:
                assert held.json()["error"]["code"] == "slot_full", held.text
                continue
            assert held.status_code == 201, held.text
            match self._chance.randrange(4):
                case 0:
                    renewed = await self._served(guest, guest.renew)
                    assert renewed.status_code == 200, renewed.text
                    assert (await self._served(guest, guest.release)).status_code == 204
                case 1:
                    await self._book(guest, of, seats)
                    assert (await self._served(guest, guest.cancel)).status_code == 200
                    del self.booked[guest.id]
                case _:
                    await self._book(guest, of, seats)
            await asyncio.sleep(self._chance.random() / 20)

    async def _book(self, guest: Guest, of: Slot, seats: int) -> None:
        confirmed = await self._served(guest, guest.confirm)
        assert confirmed.status_code == 201, confirmed.text
        self.booked[guest.id] = of, seats

    async def _served(self, guest: Guest, send: Callable[[], Awaitable[httpx2.Response]]) -> httpx2.Response:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                guest.client = self._chance.choice(self._clients)
                answer = await send()
                self.answers[answer.status_code] += 1
                if answer.status_code != 503:
                    return answer
                await asyncio.sleep(float(answer.headers["retry-after"]) / 10)


@asynccontextmanager
async def at_it(town: Town, watchers: list[Watcher]) -> AsyncIterator[tuple[Visitors, Visitors]]:
    """Visitors of both sites while it lasts, and widgets that stay open until all that was told has arrived."""
    async with AsyncExitStack() as at_the_end, asyncio.TaskGroup() as tasks:
        clients = [httpx2.AsyncClient(base_url=web.url, timeout=ANSWER_MAX_S) for web in town.webs]
        for client in clients:
            at_the_end.push_async_callback(client.aclose)
        watching = [tasks.create_task(watcher.watch()) for watcher in watchers]
        here, there = (Visitors(clients, key, CHANCE) for key in (SITE, ELSEWHERE))
        coming = [tasks.create_task(some.come()) for some in (here, there) for _ in range(VISITORS)]
        yield here, there
        here.is_over = there.is_over = True
        await asyncio.wait(coming)
        await until(lambda: agree(town.house, watchers), patience_s=PATIENCE_S)
        for task in watching:
            task.cancel()


async def test_while_a_slot_is_passed_around_everybody_gets_what_they_were_told(town: Town) -> None:
    house = town.house
    before = [await house.site(key) for key in (SITE, ELSEWHERE)]
    watchers = [Watcher(town, CHANCE, f"watcher {number}", services=("yoga",)) for number in range(2)]

    async with at_it(town, watchers) as (here, there):
        await until(partial(have_looked, watchers), patience_s=PATIENCE_S)
        for _ in range(2):
            await until_more_are_served(here)
            pause = partial(until_more_are_told_to_wait, here, here.answers[503])
            await asyncio.to_thread(town.cluster.pass_on, before[0].partition, keys_at_once=2, pause=pause)
        await until_more_are_served(here)

    for of in SLOTS:
        seats = sum(seats for booked, seats in here.booked.values() if booked == of)
        assert await house.booked_in_sql(of) == seats <= YOGA.capacity, of
    assert await asyncio.to_thread(town.audit) == []
    after = [await house.site(key) for key in (SITE, ELSEWHERE)]
    assert after[0].epoch > before[0].epoch, "on another server something might be missing"
    assert (after[1].epoch, there.answers[503]) == (before[1].epoch, 0), "others notice nothing"
    assert [watcher.surprises for watcher in watchers] == [[], []]
    assert all(watcher.resets for watcher in watchers)


async def have_looked(watchers: list[Watcher]) -> bool:
    """Whoever opens a widget later is told of no reset."""
    return all(watcher.streams for watcher in watchers)


async def until_more_are_served(visitors: Visitors) -> None:
    def served() -> int:
        return visitors.answers[201] + visitors.answers[409]

    before = served()

    async def are_more() -> bool:
        return served() >= before + SERVED_MIN

    await until(are_more, patience_s=PATIENCE_S)


def until_more_are_told_to_wait(visitors: Visitors, before: int) -> None:
    """The slot is neither here nor there for at least this long, so that this machine's pace has no say in it."""
    time.sleep(PAUSE_S)
    end_s = time.monotonic() + PATIENCE_S
    while visitors.answers[503] == before:
        assert time.monotonic() < end_s, "nobody was told to wait"
        time.sleep(PAUSE_S)


async def agree(house: House, watchers: list[Watcher]) -> bool:
    """Redis and SQL, and what open widgets show."""
    for of in SLOTS:
        seats = await house.seats(of)
        if seats.booked != await house.booked_in_sql(of) or seats.held:
            return False
        figures = (seats.held, seats.booked, seats.version)
        if seats.version and any(watcher.picture.get(of.id) != figures for watcher in watchers):
            return False
    return True
