"""Open widgets: each reads a month, then follows the stream, with pauses, and comes back where it was cut off."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from widget_server.domain.claims import VERSIONS
from widget_server.live.channel import Reader
from widget_server.simulator.invariants import Broken, Invariant, must
from widget_server.simulator.operations import ask, operation
from widget_server.simulator.processes import Process
from widget_server.simulator.world import BY_SHIFT, DAYS_WANTED, SITES, World

WIDGETS_MAX = 6

Shown = tuple[int, int, int]
"""Held, booked and version of a slot."""


class Widget:
    def __init__(self, world: World, site: str, service: str) -> None:
        self.site = site
        self.service = service
        self.is_busy = False
        """Its connection takes nothing for now."""
        self._is_connecting = False
        self.must_read = True
        self.shown: dict[str, Shown] = {}
        self._world = world
        self._epoch = 0
        self._last_event_id = ""
        self._streamed: dict[str, int] = {}
        self._process: Process | None = None
        self._reader: Reader | None = None

    @property
    def is_cut_off(self) -> bool:
        """And does nothing about it yet: no widget has two streams."""
        return not self._is_connecting and self._has_no_stream

    @property
    def _has_no_stream(self) -> bool:
        return self._process is None or not self._process.is_alive or self._reader is None

    async def read(self, process: Process) -> None:
        month = await month_of(self._world, process, self.site, self.service)
        if month["epoch"] < self._epoch:
            return  # an older process; it will have heard soon
        if month["epoch"] > self._epoch:
            self._begin_anew(month["epoch"])
        for slot in month["slots"]:
            self._show(slot["id"], slot)
        self.must_read = False
        self._last_event_id = self._last_event_id or month["feed_id"]

    async def connect(self, process: Process) -> None:
        self.leave()
        self._streamed.clear()
        self._process, self._reader, self._is_connecting = process, None, True
        try:
            reader = await process.do(process.availability.watch(self.site, self._last_event_id or None, "network"))
        finally:
            self._is_connecting = False
        self._reader, self.is_busy = reader, False
        reader.open(self)

    def leave(self) -> None:
        if self._reader is not None and self._process is not None and self._process.is_alive:
            self._reader.close()
        self._reader = None

    def take_more(self) -> None:
        if self.is_busy and self._reader is not None and not self.is_cut_off:
            self.is_busy = False
            self._reader.ready()

    def write(self, chunk: bytes, *, last: bool = False) -> bool:
        try:
            for event, event_id, body in _events(chunk):
                self._take_in(event, event_id, body)
        except Broken as broken:
            self._world.witness.broken = self._world.witness.broken or broken
        return not self.is_busy

    def cut(self, problem: Exception | None = None) -> None:
        if problem is not None:
            broken = Broken(Invariant.FORESEEN, f"a stream was cut: {problem!r}")
            self._world.witness.broken = self._world.witness.broken or broken
        self._reader = None

    def _take_in(self, event: str, event_id: str, body: dict[str, Any]) -> None:
        if event == "reset":
            self._begin_anew(body["epoch"])
            self.must_read = True
        elif event == "schedule":
            self.must_read = True
        elif event == "seats":
            epoch = int(event_id.partition(".")[0])
            if epoch > self._epoch:
                self._begin_anew(epoch)
                self.must_read = True
            for slot in body["slots"]:
                if is_shared(slot["slot"]) and slot["version"] < VERSIONS:
                    continue  # what could not be worked out is told as it is, and nobody who knows better believes it
                what = f"{slot} after {self._streamed.get(slot['slot'])}"
                must(slot["version"] >= self._streamed.get(slot["slot"], 0), Invariant.RISING, what)
                self._streamed[slot["slot"]] = slot["version"]
                if epoch == self._epoch:
                    self._show(slot["slot"], slot)
        self._last_event_id = event_id or self._last_event_id

    def _begin_anew(self, epoch: int) -> None:
        self._epoch = epoch
        self.shown.clear()
        self._streamed.clear()

    def _show(self, slot_id: str, slot: dict[str, Any]) -> None:
        shown = (slot["held"], slot["booked"], slot["version"])
        if slot_id.startswith(f"{self.service}.") and shown[2] >= self.shown.get(slot_id, (0, 0, 0))[2]:
            self.shown[slot_id] = shown


@operation(weight=8)
async def read_month(world: World) -> str:
    process, site = world.web(), world.chance.choice(list(SITES))
    month = await ask(process, month_of(world, process, site, world.any_service(site)))
    if isinstance(month, dict):
        for slot in month["slots"]:
            left = max(0, slot["capacity"] - slot["held"] - slot["booked"])
            must(slot["left"] == left, Invariant.READ, f"{site} shows {slot}")
        return f"{process.name}: {site} {len(month['slots'])} slots"
    return f"{process.name}: {site} {month!r}"


@operation(weight=3)
async def open_widget(world: World) -> str:
    """A new one, or one that comes back; from whichever process it gets."""
    cut_off = [widget for widget in world.widgets if widget.is_cut_off]
    if cut_off:
        widget = world.chance.choice(cut_off)
        await widget.connect(world.web())
        return "comes back"
    if len(world.widgets) >= WIDGETS_MAX:
        world.widgets.pop(world.chance.randrange(len(world.widgets))).leave()
        return "one is closed"
    site = world.chance.choice(list(SITES))
    widget = Widget(world, site, world.any_service(site))
    await widget.read(world.web())
    world.widgets.append(widget)
    await widget.connect(world.web())
    return f"{widget.site} {widget.service}"


@operation(weight=4)
async def widget_reads(world: World) -> str:
    """It reads again where it was told to, or its connection stalls, or moves again."""
    if not world.widgets:
        return "none is open"
    widget = world.chance.choice(world.widgets)
    if widget.must_read:
        await widget.read(world.web())
        return "has read again"
    if widget.is_busy:
        widget.take_more()
        return "goes on"
    widget.is_busy = world.chance.random() < 0.5
    return "stalls" if widget.is_busy else "is fine"


async def month_of(world: World, process: Process, site: str, service: str) -> dict[str, Any]:
    first, last = days_read(world)
    month = await process.do(process.availability.month(site, service, first, last))
    body: dict[str, Any] = json.loads(month.body)
    return body


def days_read(world: World) -> tuple[date, date]:
    today = world.clock.now().date()
    return today, today + timedelta(days=DAYS_WANTED)


def is_shared(slot_id: str) -> bool:
    """Whether its seats are worked out from the diaries of people."""
    return any(slot_id.startswith(f"{service.key}.") for service in BY_SHIFT)


def _events(chunk: bytes) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for text in chunk.decode().split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in text.splitlines() if not line.startswith(":"))
        if "event" in fields:
            yield fields["event"], fields.get("id", ""), json.loads(fields["data"])
