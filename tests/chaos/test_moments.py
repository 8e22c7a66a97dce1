"""A web process that ends, or stands still, at each step from hold to booking: never booked twice, never left hanging.

Each moment is met exactly: a trap in the line to Redis, SQL or the visitor springs when the step's words come by.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from httpx2 import AsyncClient, TransportError
from httpx2 import Response as Answer

from tests.chaos.books import Books, read_books
from tests.chaos.ledger import Ledger
from tests.chaos.lines import Line, Trap
from tests.chaos.patience import PATIENCE_S, STEP_S, until
from tests.chaos.processes import url_of
from tests.chaos.town import PARTITION, Member, Templates, Town, broken, town
from tests.engine.servers import free_port
from tests.house import SITE
from widget_server.domain.holds import HoldState
from widget_server.engine import keys
from widget_server.engine.scripts import load
from widget_server.ids import new_id
from widget_server.use_cases.bookings import CONFIRMING_WINDOW
from widget_server.use_cases.reconciliation import RESOLVE_AGAIN_AFTER
from widget_server.use_cases.restoring import TAKEOVER_AFTER

pytestmark = pytest.mark.anyio

PAST = CONFIRMING_WINDOW + timedelta(seconds=1)
PIN, COMMIT, UNPIN = (load(name).sha.encode() for name in ("pin", "commit", "unpin"))
TAKES_OUTCOME = b"INSERT INTO outcome"


@dataclass
class Guest:
    """Somebody with the widget open, who may be served by either web process."""

    id: str = field(default_factory=new_id)
    secret: str = field(default_factory=new_id)
    order_secret: str = ""

    async def hold(self, web_url: str, slot: str) -> Answer | None:
        body = {"id": self.id, "visitor": new_id(), "lines": [{"slot": slot, "seats": 1}]}
        return await self._ask(web_url, "POST", "/holds", body)

    async def confirm(self, web_url: str) -> Answer | None:
        answer = await self._ask(web_url, "POST", f"/holds/{self.id}/confirmation", {"customer": {"name": "Anna Berg"}})
        if answer is not None and answer.status_code == 201:
            self.order_secret = answer.json()["order_secret"]
        return answer

    async def _ask(self, web_url: str, method: str, path: str, body: Any) -> Answer | None:
        headers = {"authorization": f"Bearer {self.secret}"}
        async with AsyncClient(timeout=PATIENCE_S) as client:
            try:
                return await client.request(method, f"{web_url}/v1/sites/{SITE}{path}", json=body, headers=headers)
            except TransportError:
                return None


@pytest.fixture(scope="module")
async def place(made_from: Templates) -> AsyncIterator[Town]:
    async with town(made_from, postgres=True, webs=3, workers=2) as place:
        yield place


@dataclass
class Scene:
    """One slot with a single seat, held by anna, and ben, who would like to have it."""

    town: Town
    web: Member
    """The process that anna confirms with."""
    other: Member
    slot: str
    anna: Guest
    ben: Guest
    door: Line
    """Anna's way to her process."""

    @property
    def door_url(self) -> str:
        return f"http://127.0.0.1:{self.door.own}"

    @property
    def other_url(self) -> str:
        return self.other.url

    async def books(self) -> Books:
        return await read_books(self.town, [], [], Ledger())

    async def until(self, is_so: Callable[[Books], bool]) -> Books:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if is_so(books := await self.books()):
                    return books
                await asyncio.sleep(STEP_S)

    async def until_settled(self, *, booked: int) -> Books:
        """Redis and SQL agree, and nothing is held any more."""

        def is_settled(books: Books) -> bool:
            in_sql = books.meetings[self.slot].booked if self.slot in books.meetings else 0
            return (*books.seats[self.slot][:2], in_sql) == (0, booked, booked)

        return await self.until(is_settled)

    @asynccontextmanager
    async def trapped(self, line: Line, trap: Trap) -> AsyncIterator[asyncio.Task[Answer | None]]:
        """Anna confirms, and gets as far as the trap."""
        line.trap = trap
        confirming = asyncio.create_task(self.anna.confirm(self.door_url))
        try:
            async with asyncio.timeout(PATIENCE_S):
                await trap.sprung.wait()
            yield confirming
        finally:
            trap.drop()
            line.trap = None
            self.web.process.go_on()
            await confirming

    async def kill_at(self, line: Line, trap: Trap) -> None:
        """Anna hears nothing of what became of it."""
        async with self.trapped(line, trap) as confirming:
            self.web.process.kill()
            trap.drop()
            assert await confirming is None


@pytest.fixture
async def scene(place: Town) -> AsyncIterator[Scene]:
    async with set_in(place) as scene:
        yield scene


@asynccontextmanager
async def set_in(place: Town) -> AsyncIterator[Scene]:
    """Each with a slot of its own, and web processes that have just begun or are well."""
    slot = next(slot.id for slot in place.slots if slot.service == "talk" and slot.id not in _USED)
    _USED.add(slot)
    web, other = await place.two_that_are_ready()
    async with Line(free_port(), web.port).open() as door:
        scene = Scene(place, web, other, slot, Guest(), Guest(), door)

        async def is_held() -> bool:
            answer = await scene.anna.hold(web.url, slot)
            return answer is not None and answer.status_code == 201

        await until(is_held)
        yield scene


_USED: set[str] = set()


def moments_before_the_record(scene: Scene) -> dict[str, tuple[Line, Trap]]:
    sql = scene.web.sql
    assert sql is not None
    return {
        "before the pin": (scene.web.redis, Trap(PIN, after=False)),
        "after the pin": (scene.web.redis, Trap(PIN, after=True)),
        "before the outcome": (sql, Trap(TAKES_OUTCOME, after=False)),
        "before the SQL commit": (sql, Trap(TAKES_OUTCOME, b"COMMIT", after=False)),
    }


def moments_after_the_record(scene: Scene) -> dict[str, tuple[Line, Trap]]:
    sql = scene.web.sql
    assert sql is not None
    return {
        "after the SQL commit": (sql, Trap(TAKES_OUTCOME, b"COMMIT", after=True)),
        "before Redis is told": (scene.web.redis, Trap(COMMIT, after=False)),
        "after Redis was told": (scene.web.redis, Trap(COMMIT, after=True)),
        "before the visitor is told": (scene.door, Trap(b"/confirmation", after=True)),
    }


BEFORE = ("before the pin", "after the pin", "before the outcome", "before the SQL commit")
AFTER = ("after the SQL commit", "before Redis is told", "after Redis was told", "before the visitor is told")


async def test_a_trap_also_hears_a_statement_that_is_said_by_its_name_only(place: Town) -> None:
    """As it is by a process that has confirmed often. The control: else it would never spring, or by luck."""
    assert place.postgres is not None
    folder, said = place.folder / "named", "SELECT 'mind the gap'"
    folder.mkdir()
    async with Line(folder / place.postgres.socket.name, place.postgres.socket).open() as line:
        url = url_of(folder).replace("+psycopg", "")
        async with await psycopg.AsyncConnection.connect(url, prepare_threshold=0) as connection:
            await connection.execute(said)
            line.trap = trap = Trap(said.encode(), after=False)
            saying = asyncio.create_task(connection.execute(said))
            async with asyncio.timeout(PATIENCE_S):
                await trap.sprung.wait()
            trap.pass_on()
            assert await (await saying).fetchone() == ("mind the gap",)


@pytest.mark.parametrize("moment", BEFORE)
async def test_killed_before_the_record_the_same_again_books_once(scene: Scene, moment: str) -> None:
    await scene.kill_at(*moments_before_the_record(scene)[moment])

    answer = await scene.anna.confirm(scene.other_url)
    assert answer is not None
    assert answer.status_code == 201, answer.text
    books = await scene.until_settled(booked=1)
    assert books.numbers[scene.anna.id] == answer.json()["order"]["number"]


@pytest.mark.parametrize("moment", BEFORE[1:])
async def test_killed_before_the_record_and_nobody_comes_back_the_seat_is_free_again(scene: Scene, moment: str) -> None:
    await scene.kill_at(*moments_before_the_record(scene)[moment])
    assert (await scene.books()).holds[scene.anna.id].state is HoldState.PAYING
    full = await scene.ben.hold(scene.other_url, scene.slot)
    assert full is not None
    assert full.status_code == 409, "while it is pinned it is nobody else's"

    await scene.town.leap(PAST)

    books = await scene.until_settled(booked=0)
    assert books.outcomes[scene.anna.id] == "abandoned"
    taken = await scene.ben.hold(scene.other_url, scene.slot)
    assert taken is not None
    assert taken.status_code == 201, taken.text


@pytest.mark.parametrize("moment", AFTER)
async def test_killed_after_the_record_the_same_again_tells_of_the_same_order(scene: Scene, moment: str) -> None:
    await scene.kill_at(*moments_after_the_record(scene)[moment])

    recorded = (await scene.books()).numbers[scene.anna.id]
    answer = await scene.anna.confirm(scene.other_url)
    assert answer is not None
    assert (answer.status_code, answer.json()["order"]["number"]) == (201, recorded)
    await scene.until_settled(booked=1)


@pytest.mark.parametrize("moment", AFTER)
async def test_killed_after_the_record_and_nobody_comes_back_the_worker_tells_redis(scene: Scene, moment: str) -> None:
    await scene.kill_at(*moments_after_the_record(scene)[moment])

    books = await scene.until_settled(booked=1)
    assert books.outcomes[scene.anna.id] == "confirmed"
    full = await scene.ben.hold(scene.other_url, scene.slot)
    assert full is not None
    assert full.status_code == 409


@pytest.mark.parametrize("moment", ["after the pin", "before the outcome"])
async def test_stopped_past_its_resolve_by_it_finds_on_waking_that_others_have_decided(
    scene: Scene, moment: str
) -> None:
    line, trap = moments_before_the_record(scene)[moment]
    async with scene.trapped(line, trap) as confirming:
        scene.web.process.stop()
        await scene.town.leap(PAST)
        await scene.until(lambda books: books.outcomes.get(scene.anna.id) == "abandoned")
        await scene.until(lambda books: books.seats[scene.slot][0] == 0)
        taken = await scene.ben.hold(scene.other_url, scene.slot)
        assert taken is not None
        assert taken.status_code == 201
        booked = await scene.ben.confirm(scene.other_url)
        assert booked is not None
        assert booked.status_code == 201

        trap.pass_on()
        scene.web.process.go_on()
        answer = await confirming

    assert answer is not None
    assert answer.status_code == 410, answer.text
    books = await scene.until_settled(booked=1)
    assert books.numbers.keys() & {scene.anna.id, scene.ben.id} == {scene.ben.id}


async def test_where_outcomes_are_not_compared_a_stopped_process_books_what_was_given_up(
    made_from: Templates, tmp_path: Path
) -> None:
    """The control: the test above can fail."""
    tree = broken(
        tmp_path / "broken", "widget_server/store/outcomes.py", "(_its_table.c.fence < new.excluded.fence)", "True"
    )
    async with town(made_from, postgres=True, tree=tree) as place, set_in(place) as scene:
        line, trap = moments_before_the_record(scene)["after the pin"]
        async with scene.trapped(line, trap) as confirming:
            scene.web.process.stop()
            await scene.town.leap(PAST)
            await scene.until(lambda books: books.outcomes.get(scene.anna.id) == "abandoned")
            trap.pass_on()
            scene.web.process.go_on()
            answer = await confirming

    assert answer is not None
    assert answer.status_code == 201, answer.text


async def test_a_worker_killed_between_giving_up_and_giving_back_is_followed_by_another(scene: Scene) -> None:
    await scene.kill_at(scene.web.redis, Trap(PIN, after=True))
    traps = [Trap(UNPIN, after=False) for _ in scene.town.workers]
    for worker, trap in zip(scene.town.workers, traps, strict=True):
        worker.redis.trap = trap
    await scene.town.leap(PAST)

    async with asyncio.timeout(PATIENCE_S):
        await asyncio.wait([asyncio.create_task(trap.sprung.wait()) for trap in traps], return_when="FIRST_COMPLETED")
    assert (await scene.books()).outcomes[scene.anna.id] == "abandoned"
    for worker, trap in zip(scene.town.workers, traps, strict=True):
        worker.process.kill()
        trap.drop()
        worker.redis.trap = None

    await scene.town.leap(RESOLVE_AGAIN_AFTER)
    await scene.until_settled(booked=0)


async def test_a_rebuild_whose_process_was_killed_is_taken_over(scene: Scene) -> None:
    """Until its takeover time has passed, nobody may hold; then another does it, and what was held goes on."""
    trap = Trap(load("open").sha.encode(), after=False)
    for member in scene.town.members:
        member.redis.trap = trap
    before = (await scene.town.site()).epoch
    async with scene.town.redis() as redis:
        await redis.read(("DEL", keys.of_site(PARTITION, SITE).gate))
    async with asyncio.timeout(PATIENCE_S):
        await trap.sprung.wait()
    for member in scene.town.members:
        member.process.kill()
        member.redis.trap = None
    trap.drop()

    assert (await scene.town.gate())[1] == "REBUILDING"
    await scene.town.leap(TAKEOVER_AFTER)
    async with asyncio.timeout(PATIENCE_S):
        await scene.town.filled(before + 1)

    async def is_booked() -> bool:
        answer = await scene.anna.confirm(scene.other_url)
        return answer is not None and answer.status_code == 201

    await until(is_booked)
    await scene.until_settled(booked=1)
