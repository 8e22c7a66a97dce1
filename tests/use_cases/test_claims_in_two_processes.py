"""Two services that share their people, over midnight: open widgets see every slot that a claim touches."""

import asyncio
import json
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.domain.schedules import daily, service
from tests.engine.servers import Valkey
from tests.live.test_hub import Paper
from tests.live.updates import events
from tests.use_cases.test_availability_in_two_processes import Process
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.holds import Line
from widget_server.domain.services import CapacityRule, Service
from widget_server.domain.slots import OfferedSlot, Slot
from widget_server.domain.staffing import Shift, StaffMember
from widget_server.engine.connection import connect
from widget_server.errors import HoldEnded, Paying, SlotClosed, SlotFull, StaleSchedule, Unavailable
from widget_server.live.channel import Reader
from widget_server.store.database import Database
from widget_server.store.schedule import put_openings, put_service
from widget_server.store.sites import Sites
from widget_server.store.staff import put_member, put_shifts

pytestmark = pytest.mark.anyio

FIRST = datetime.now(UTC).date() + timedelta(days=2)
LAST = FIRST + timedelta(days=1)
SERVICES = ("massage", "talk", "yoga")
YOGA_SEATS = 2


def by_shift(one: Service, buffers: tuple[int, int] = (0, 0)) -> Service:
    before, after = buffers
    rule = CapacityRule.BY_SHIFT
    return replace(one, capacity_rule=rule, buffer_before_min=before, buffer_after_min=after)


class Salon(Process):
    """Whoever serves yoga or a massage does nothing else meanwhile; a talk needs nobody."""

    async def months(self) -> dict[str, Any]:
        """Everything that this process says of all slots, by id."""
        answers = [await self.availability.month("studio", one, FIRST, LAST) for one in SERVICES]
        return {slot["id"]: slot for answer in answers for slot in json.loads(answer.body)["slots"]}

    async def last_id(self) -> str:
        answer = json.loads((await self.availability.month("studio", "yoga", FIRST, LAST)).body)
        return str(answer["feed_id"])

    async def all_offered(self) -> list[OfferedSlot]:
        schedule = (await self.catalog.find("studio")).schedule
        return [offered for key in SERVICES for offered in schedule.slots_between(key, FIRST, LAST)]

    async def of_midnight(self, of: str, day: date = FIRST) -> Slot:
        """The slot of yoga that begins when this day of UTC ends, or the massage for which somebody is busy then."""
        midnight = datetime.combine(day + timedelta(days=1), time(0), UTC)
        listing = await self.catalog.find("studio")
        for offered in listing.schedule.slots_between(of, day, day + timedelta(days=1)):
            (need,) = offered.needs
            if need.busy_from <= midnight < need.busy_until:
                return offered.slot
        raise AssertionError("there is one")

    async def touched_by(self, of: Slot) -> set[str]:
        """The slots for which somebody is needed while somebody is busy with this one."""
        offered = await self.all_offered()
        (need,) = next(one.needs for one in offered if one.slot == of)
        return {
            one.slot.id
            for one in offered
            for other in one.needs
            if other.busy_from < need.busy_until and need.busy_from < other.busy_until
        }

    async def take(self, name: str, *slots: Slot, seats: int = 1) -> None:
        listing = await self.catalog.find("studio")
        offers = [offer for slot in slots if (offer := listing.schedule.find(slot))]
        assert len(offers) == len(slots), "offered"
        await self.engine.hold(
            listing.site,
            [Line(slot, seats) for slot in slots],
            offers,
            schedule_version=listing.schedule.version,
            id=name,
            secret_hash="secret",
            visitor=name,
            network=name,
        )

    async def release(self, name: str) -> None:
        await self.engine.release((await self.catalog.find("studio")).site, name, "secret")

    async def pin(self, name: str) -> int:
        listing = await self.catalog.find("studio")
        pin = await self.engine.pin(
            listing.site,
            name,
            "secret",
            listing.schedule.find,
            schedule_version=listing.schedule.version,
            attempt="first",
            window=timedelta(minutes=5),
        )
        return pin.fence

    async def book(self, name: str, *slots: Slot) -> None:
        site, fence = (await self.catalog.find("studio")).site, await self.pin(name)
        booked = [BookedSeats(slot, 1, 1) for slot in slots]
        await self.engine.commit(site, name, fence=fence, booked=booked)

    async def share_nobody(self) -> None:
        """Each service has its own seats."""

        async def write(session: AsyncSession) -> None:
            for key in ("yoga", "massage"):
                await put_service(session, site.id, service(key, capacity=3), at=datetime.now(UTC))

        site = (await self.catalog.find("studio")).site
        await self.scheduling.change(site, write)

    async def change_staff(self, *serving: str) -> None:
        """These serve yoga, from the evening until the next morning, and all but rosa massages, too."""

        async def write(session: AsyncSession) -> None:
            yoga = by_shift(service("yoga", capacity=YOGA_SEATS))
            massage = by_shift(service("massage", capacity=1, length_min=45), buffers=(10, 20))
            for one in (yoga, massage, service("talk", capacity=5)):
                await put_service(session, site.id, one, at=datetime.now(UTC))
                await put_openings(session, site.id, one.key, daily(one.key, time(20), time(6)))
            for name in ("pia", "quinn", "rosa"):
                serves = frozenset({"yoga"} if name == "rosa" else {"yoga", "massage"})
                await put_member(session, site.id, StaffMember(name, name.title(), services=serves))
                shifts = [Shift(name, time(18), time(8), weekday=n) for n in range(7)]
                await put_shifts(session, site.id, name, shifts if name in serving else [])

        site = (await self.catalog.find("studio")).site
        await self.scheduling.change(site, write)


class Widget:
    """What somebody sees who asks one process and listens to another, by the rules of widget/availability.js."""

    def __init__(self, asks: Salon, listens: Salon) -> None:
        self.asks, self.listens = asks, listens
        self.slots: dict[str, Any] = {}
        self.resets = 0
        self.last_id = ""
        self.epoch = 0
        self.paper = Paper()
        self._reader: Reader | None = None
        self._seen = 0

    async def open(self) -> "Widget":
        self.last_id = await self.asks.last_id()
        await self._ask()
        await self.come_back()
        return self

    async def come_back(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self.paper, self._seen = Paper(), 0
        self._reader = await self.listens.availability.watch("studio", self.last_id, "anna")
        self._reader.open(self.paper)

    async def look(self) -> dict[str, Any]:
        """Take in what has been told so far."""
        told = events(self.paper.text)
        for event in told[self._seen :]:
            self._seen += 1
            self.last_id = event.id or self.last_id
            match event.name:
                case "seats":
                    for seats in event.data["slots"]:
                        self._learn(seats["slot"], seats)
                case "reset" | "schedule":
                    self.resets += event.name == "reset"
                    await self._ask()
        return {slot_id: _shown(slot) for slot_id, slot in self.slots.items()}

    async def _ask(self) -> None:
        answers, epoch = await self.asks.months(), (await self.asks.month())["epoch"]
        if epoch != self.epoch:
            self.slots.clear()
        self.epoch = epoch
        self.slots = {slot_id: slot for slot_id, slot in self.slots.items() if slot_id in answers}
        for slot_id, slot in answers.items():
            if slot["version"] >= self.slots.get(slot_id, slot)["version"]:
                self.slots[slot_id] = slot
            else:
                self.slots[slot_id] |= {"capacity": slot["capacity"]}

    def _learn(self, slot_id: str, seats: dict[str, Any]) -> None:
        known = self.slots.get(slot_id)
        if known is not None and seats["version"] > known["version"]:
            known |= seats


def _shown(slot: dict[str, Any]) -> tuple[int, bool, str | None]:
    """Left, whether more may free up, and when."""
    left = max(0, slot["capacity"] - slot["held"] - slot["booked"])
    return left, slot["held"] > 0, slot["frees_at"]


class Town:
    def __init__(self, one: Salon, other: Salon, fresh: Salon) -> None:
        self.one, self.other, self.fresh = one, other, fresh

    async def until_all_agree(self, *widgets: Widget) -> dict[str, Any]:
        """What a process that has just started reads, which all say of every slot before long."""
        said: list[Any] = []
        for _ in range(6_000):
            self.fresh.catalog.forget_all()
            read = await self.fresh.months()
            shown = {slot_id: _shown(slot) for slot_id, slot in read.items()}
            said = [await self.one.months(), await self.other.months()]
            seen = [await widget.look() for widget in widgets]
            if said == [read, read] and seen == [shown] * len(widgets):
                return read
            await asyncio.sleep(0.01)
        raise AssertionError("they never agree")

    async def until_told(self, widget: Widget, slot: Slot, *, left: int) -> None:
        """That so many seats of a slot are left, without asking anybody but whom the widget asks."""
        for _ in range(500):
            if (shown := (await widget.look()).get(slot.id)) and shown[0] == left:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"it still shows {shown}")


@pytest.fixture
async def town(valkey: Valkey, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Town]:
    async with AsyncExitStack() as at_the_end:
        shutil.copy(sqlite_template, tmp_path / "tenuto.sqlite3")
        database = Database(None, tmp_path)
        at_the_end.push_async_callback(database.close)
        processes = []
        for _ in range(3):
            connection = await connect(valkey.url)
            at_the_end.push_async_callback(connection.close)
            processes.append(Salon(database, connection))
        await connection.read(("FLUSHALL",))
        await Sites(database).create(
            key="studio", name="Studio", zone="Europe/Berlin", currency="EUR", at=datetime.now(UTC)
        )
        await processes[0].reconciliation.ensure_loaded("studio")
        await processes[0].change_staff("pia", "quinn", "rosa")
        processes[0].catalog.forget_all()  # it has loaded an empty site, and nobody follows the feed yet
        following = [asyncio.create_task(process.availability.follow("tenuto")) for process in processes[:2]]
        yield Town(*processes)
        for task in following:
            task.cancel()
        await asyncio.wait(following)
        for process in processes:
            process.hub.goodbye()


async def test_a_claim_on_one_service_takes_seats_of_the_other_in_every_open_widget(town: Town) -> None:
    widgets = [await Widget(town.one, town.other).open(), await Widget(town.other, town.one).open()]
    before = await town.until_all_agree(*widgets)
    yoga, massage = await town.one.of_midnight("yoga"), await town.one.of_midnight("massage")
    assert [before[slot.id]["left"] for slot in (yoga, massage)] == [6, 2]

    await town.one.take("anna", massage)

    after = await town.until_all_agree(*widgets)
    assert [after[slot.id]["left"] for slot in (yoga, massage)] == [4, 1]
    assert after[yoga.id]["held"] == YOGA_SEATS
    assert after[yoga.id]["frees_at"] == after[massage.id]["frees_at"] is not None
    moved = {slot_id for slot_id in before if _shown(before[slot_id]) != _shown(after[slot_id])}
    assert moved == await town.one.touched_by(massage)
    assert len({Slot.parse(slot_id).starts_at.date() for slot_id in moved}) == 2
    assert {Slot.parse(slot_id).service for slot_id in moved} == {"massage", "yoga"}
    assert all(widget.resets == 0 for widget in widgets)


async def test_nobody_is_named_and_no_hold(town: Town) -> None:
    widget = await Widget(town.one, town.one).open()
    await town.one.take("anna-s-hold", await town.one.of_midnight("massage"))
    await town.until_all_agree(widget)

    told = widget.paper.text
    assert b"seats" in told
    assert not any(word in told for word in (b"anna", b"pia", b"quinn", b"rosa", b"staff"))


async def test_what_is_booked_elsewhere_is_full_and_what_is_held_elsewhere_may_free_up(town: Town) -> None:
    await town.one.change_staff("pia")
    widget = await Widget(town.other, town.one).open()
    yoga, massage = await town.one.of_midnight("yoga"), await town.one.of_midnight("massage")
    await town.one.take("anna", massage)
    held = await town.until_all_agree(widget)

    await town.one.book("anna", massage)

    booked = await town.until_all_agree(widget)
    assert [one[yoga.id]["state"] for one in (held, booked)] == ["held", "full"]
    assert booked[yoga.id]["frees_at"] is None


async def test_a_released_hold_gives_back_the_seats_of_all_it_had_touched(town: Town) -> None:
    widget = await Widget(town.other, town.one).open()
    before = await town.until_all_agree(widget)
    await town.one.take("anna", await town.one.of_midnight("massage"), await town.one.of_midnight("yoga", LAST))
    await town.until_all_agree(widget)

    await town.other.release("anna")

    after = await town.until_all_agree(widget)
    assert {slot_id: _shown(slot) for slot_id, slot in after.items()} == {
        slot_id: _shown(slot) for slot_id, slot in before.items()
    }


async def test_who_comes_back_to_another_process_misses_no_claim(town: Town) -> None:
    widget = await Widget(town.one, town.one).open()
    other = await Widget(town.other, town.other).open()
    await town.one.take("anna", await town.one.of_midnight("massage"))
    await town.until_all_agree(widget, other)
    await town.one.take("ben", await town.one.of_midnight("massage", LAST))
    await town.until_all_agree(other)

    widget.listens = town.other
    await widget.come_back()

    await town.until_all_agree(widget, other)
    assert widget.resets == 0


async def test_a_process_that_nobody_asked_before_tells_who_comes_to_read_again(town: Town) -> None:
    widget = await Widget(town.one, town.one).open()
    await town.one.take("anna", await town.one.of_midnight("massage"))
    await asyncio.sleep(0.05)

    widget.listens = town.other
    await widget.come_back()

    await town.until_all_agree(widget)


async def test_staff_who_come_and_go_are_seen_in_open_widgets(town: Town) -> None:
    widgets = [await Widget(town.one, town.other).open(), await Widget(town.other, town.one).open()]
    yoga = await town.one.of_midnight("yoga")
    await town.one.take("anna", await town.one.of_midnight("massage"))
    await town.until_all_agree(*widgets)

    await town.other.change_staff("pia", "quinn")
    assert (await town.until_all_agree(*widgets))[yoga.id]["left"] == 2
    await town.one.take("ben", yoga)
    assert (await town.until_all_agree(*widgets))[yoga.id]["left"] == 1
    await town.one.change_staff("pia", "quinn", "rosa")
    assert (await town.until_all_agree(*widgets))[yoga.id]["left"] == 3


@pytest.mark.parametrize("is_settled", [True, False])
async def test_people_who_are_shared_only_from_now_on_are_seen_where_nobody_asks(
    town: Town, monkeypatch: pytest.MonkeyPatch, is_settled: bool
) -> None:
    """The widget listens to one process, and all that it asks is answered by another. Whoever changes the schedule may
    die before saying that it is there.
    """

    async def die(*_: object) -> None:
        raise Unavailable("Seats cannot be reached; try again in a moment.")

    await town.one.share_nobody()
    widget = await Widget(town.one, town.other).open()
    if not is_settled:
        monkeypatch.setattr(town.one.engine, "settle", die)
    await town.one.change_staff("pia", "quinn", "rosa")
    massage, yoga = await town.one.of_midnight("massage"), await town.one.of_midnight("yoga")
    await town.until_told(widget, yoga, left=6)

    await town.one.take("anna", massage)

    await town.until_told(widget, yoga, left=4)


async def test_after_redis_was_wiped_all_people_are_free_and_all_agree(town: Town, valkey: Valkey) -> None:
    widget = await Widget(town.one, town.other).open()
    await town.one.take("anna", await town.one.of_midnight("massage"))
    await town.until_all_agree(widget)
    connection = await connect(valkey.url)

    await connection.read(("FLUSHALL",))
    await connection.close()
    await asyncio.sleep(1.2)

    after = await town.until_all_agree(widget)
    assert {slot["held"] for slot in after.values()} == {0}


async def test_a_diary_that_was_lost_counts_on_so_that_nobody_passes_over_what_comes(
    town: Town, valkey: Valkey
) -> None:
    """By itself, with nothing in it that was still due. All remember its changes, and must believe the next one."""
    await town.one.change_staff("pia")  # whoever is claimed is one of one, so that it is her diary that begins anew
    widget = await Widget(town.one, town.other).open()
    massage = await town.one.of_midnight("massage")
    for name in ("anna", "ben"):
        await town.one.take(name, massage)
        await town.one.release(name)
    await town.until_all_agree(widget)
    connection = await connect(valkey.url)
    (diaries,) = await connection.read(("KEYS", "*:diary:*"))
    await connection.read(("DEL", *diaries))
    await connection.close()

    await town.one.take("carla", massage)
    assert (await town.until_all_agree(widget))[massage.id]["held"] > 0


async def test_a_claim_that_comes_while_a_month_is_read_is_not_lost(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, is_read, may_answer = town.other.engine.days_and_diaries, asyncio.Event(), asyncio.Event()

    async def slowly(*args: Any) -> Any:
        answer = await read(*args)
        is_read.set()
        await may_answer.wait()
        return answer

    monkeypatch.setattr(town.other.engine, "days_and_diaries", slowly)
    reading = asyncio.create_task(town.other.months())
    await is_read.wait()
    await town.one.take("anna", await town.one.of_midnight("massage"))
    await asyncio.sleep(0.1)  # the feed has told it by now, most likely
    may_answer.set()
    await reading

    yoga = await town.one.of_midnight("yoga")
    assert (await town.until_all_agree())[yoga.id]["left"] == 4


async def test_a_process_that_hears_late_does_not_answer_of_a_new_schedule_what_it_knew_before(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    await town.until_all_agree()
    take_in, may_hear = town.other.availability._take_in, asyncio.Event()

    async def late(*args: Any) -> None:
        await may_hear.wait()
        await take_in(*args)

    monkeypatch.setattr(town.other.availability, "_take_in", late)
    await town.one.take("anna", await town.one.of_midnight("massage"))
    await town.one.change_staff("pia", "quinn")
    town.other.catalog.forget_all()  # as when it has many sites

    assert await town.other.months() == await town.fresh.months()
    may_hear.set()
    await town.until_all_agree()


class Visitors:
    """Who takes, gives back and books, asks whichever process and comes back to another; and staff who come and go."""

    def __init__(self, town: Town, widgets: list[Widget], seed: int) -> None:
        self.town, self.widgets = town, widgets
        self.chance = random.Random(seed)  # noqa: S311
        self.held: list[str] = []
        self.taken = 0

    async def do(self, step: int) -> None:
        salon, widget = self.chance.choice((self.town.one, self.town.other)), self.chance.choice(self.widgets)
        match self.chance.randrange(9):
            case 0 | 1 | 2 | 3:
                await self._take(salon, f"visitor-{step}")
            case 4 if self.held:
                await salon.release(self.held.pop(self.chance.randrange(len(self.held))))
            case 5 if self.held and step % 2:
                await salon.pin(self.chance.choice(self.held))
            case 6:
                await widget.look()
            case 7:
                await widget.look()
                widget.listens = salon
                await widget.come_back()
            case 8 if step % 6 == 0:
                await salon.change_staff(*self.chance.choice([("pia",), ("pia", "quinn"), ("pia", "quinn", "rosa")]))

    async def _take(self, salon: Salon, name: str) -> None:
        slots = self.chance.sample(await salon.all_offered(), self.chance.randint(1, 2))
        await salon.take(name, *(offered.slot for offered in slots))
        self.held.append(name)
        self.taken += 1


@pytest.mark.parametrize("seed", [3, 8])
async def test_whatever_visitors_do_every_widget_shows_what_a_fresh_read_says(town: Town, seed: int) -> None:
    widgets = [
        await Widget(asks, listens).open() for asks in (town.one, town.other) for listens in (town.one, town.other)
    ]
    visitors = Visitors(town, widgets, seed)
    for step in range(240):
        with suppress(SlotFull, SlotClosed, StaleSchedule, Paying, HoldEnded):
            await visitors.do(step)
        if step % 40 == 39:
            await town.until_all_agree(*widgets)

    assert visitors.taken > 30
