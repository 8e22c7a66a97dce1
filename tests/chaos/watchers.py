"""Open widgets: each keeps its own picture of all seats from the feed, by the rules that docs/api.md gives."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import timedelta
from typing import Any, Protocol

from httpx2 import AsyncClient, HTTPError, Timeout

from tests.chaos.town import DAYS, FIRST_DAY
from tests.house import SITE

Figures = tuple[int, int, int]
"""Held, booked and version of a slot."""
_RETRY_S = 0.3
_SILENCE_MAX_S = 20.0


class Web(Protocol):
    @property
    def url(self) -> str: ...


class Town(Protocol):
    @property
    def webs(self) -> Sequence[Web]: ...


class Watcher:
    def __init__(self, town: Town, chance: random.Random, name: str, *, services: Iterable[str]) -> None:
        self.name = name
        self.picture: dict[str, Figures] = {}
        self.epoch = 0
        self.resets = self.streams = 0
        self.surprises: list[str] = []
        self._town, self._chance, self._services = town, chance, services
        self._last_id = ""
        self._told: dict[str, int] = {}
        """Versions that this very stream has told since its last reset."""

    async def watch(self) -> None:
        """Until cancelled: reads, listens, and whenever the stream breaks comes back with the last id it saw."""
        async with AsyncClient(timeout=Timeout(8.0, read=_SILENCE_MAX_S)) as client:
            while True:
                try:
                    if not self._last_id:
                        await self._read(client)
                    await self._listen(client)
                except (HTTPError, _NotNow):
                    pass
                await asyncio.sleep(_RETRY_S)

    async def _listen(self, client: AsyncClient) -> None:
        url, headers = self._url("/feed"), {"last-event-id": self._last_id}
        async with client.stream("GET", url, headers=headers) as stream:
            if stream.status_code != 200:
                raise _NotNow
            self.streams += 1
            self._told.clear()
            async for event, event_id, data in _events(stream.aiter_lines()):
                if event == "bye":
                    return
                if event == "reset":
                    self._last_id = ""
                    await self._reset(client, data["epoch"])
                elif event == "seats":
                    self._take_in(event_id, data["slots"])
                self._last_id = event_id or self._last_id

    async def _reset(self, client: AsyncClient, epoch: int) -> None:
        self.resets += 1
        self._told.clear()
        self._begin(epoch)
        while True:
            try:
                await self._read(client)
            except (HTTPError, _NotNow):
                await asyncio.sleep(_RETRY_S)
            else:
                return

    async def _read(self, client: AsyncClient) -> None:
        last = (FIRST_DAY + timedelta(days=DAYS - 1)).isoformat()
        ids: list[str] = []
        epochs: set[int] = set()
        for service in self._services:
            answer = await client.get(
                self._url(f"/services/{service}/availability?from={FIRST_DAY.isoformat()}&to={last}")
            )
            if answer.status_code != 200:
                raise _NotNow
            told = answer.json()
            if told["epoch"] < self.epoch:
                raise _NotNow
            self._begin(told["epoch"])
            epochs.add(told["epoch"])
            ids.append(told["feed_id"])
            for slot in told["slots"]:
                self._newer(slot["id"], _figures(slot))
        if len(epochs) > 1:
            raise _NotNow
        self._last_id = min(ids, key=_position)

    def _begin(self, epoch: int) -> None:
        if epoch != self.epoch:
            self.epoch = epoch
            self.picture.clear()

    def _take_in(self, event_id: str, slots: list[dict[str, Any]]) -> None:
        epoch = int(event_id.partition(".")[0])
        if epoch < self.epoch:
            return  # what we know was read from a process that is ahead of this stream's
        if epoch > self.epoch:
            self.surprises.append(f"{self.name} in epoch {self.epoch} was told {event_id} without a reset")
        for slot in slots:
            figures = _figures(slot)
            if figures[2] <= self._told.get(slot["slot"], -1):
                self.surprises.append(f"{self.name} was told {slot} after version {self._told[slot['slot']]}")
            self._told[slot["slot"]] = figures[2]
            self._newer(slot["slot"], figures)

    def _newer(self, slot: str, figures: Figures) -> None:
        if figures[2] > self.picture.get(slot, (0, 0, -1))[2]:
            self.picture[slot] = figures

    def _url(self, path: str) -> str:
        return f"{self._chance.choice(self._town.webs).url}/v1/sites/{SITE}{path}"


class _NotNow(Exception):
    pass


async def _events(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, str, Any]]:
    event, event_id, data = "", "", ""
    async for line in lines:
        name, _, value = line.partition(": ")
        if name == "event":
            event = value
        elif name == "id":
            event_id = value
        elif name == "data":
            data = value
        elif line == "" and event:
            yield event, event_id, json.loads(data)
            event = event_id = data = ""


def _position(event_id: str) -> tuple[int, int]:
    milliseconds, _, number = event_id.partition(".")[2].partition("-")
    return int(milliseconds), int(number)


def _figures(slot: dict[str, Any]) -> Figures:
    return slot["held"], slot["booked"], slot["version"]
