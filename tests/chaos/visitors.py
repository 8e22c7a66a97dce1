"""The load: visitors who look, hold, renew, release, confirm, confirm again and cancel, often the same few slots."""

import asyncio
import base64
import random
from collections.abc import Callable
from datetime import datetime
from typing import Any

from httpx2 import AsyncClient, Limits, TransportError
from httpx2 import Response as Answer

from tests.chaos.ledger import FOR_EVER, Denial, Former, Grant, Ledger, Visit
from tests.chaos.town import CAPACITY, FIRST_DAY, SERVICES, Town
from tests.house import SITE
from widget_server.clock import to_ms
from widget_server.domain.schedule import Service
from widget_server.use_cases.bookings import CONFIRMING_WINDOW

PATIENCE_S = 8.0
TRIES_MAX = 8
HOT_SLOTS = 12
NETWORKS = 120
_IMPATIENT_S = 0.03
"""So soon does a visitor hang up whose answer is to be lost."""
_GONE = {"hold_ended", "not_found", "paying"}
"""Also of a hold that nobody is paying for any more, unless Redis has forgotten that."""
NO_FOR_GOOD = {"hold_ended", "not_found"} | {"slot_full", "slot_closed"}
"""After these there is no order under this id; others are about what was sent, or just now."""


class Street:
    """The way from visitors to the town: any web process will do, and one that is gone is no reason to give up."""

    def __init__(self, town: Town, ledger: Ledger) -> None:
        self.town, self.ledger = town, ledger
        self._client = AsyncClient(
            timeout=PATIENCE_S, limits=Limits(max_connections=None, max_keepalive_connections=40)
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def ask(
        self, chance: random.Random, method: str, path: str, body: Any = None, *, secret: str, impatient: bool = False
    ) -> Answer | None:
        """None where nobody answered in time; what was asked for may have happened all the same."""
        url = f"{chance.choice(self.town.webs).url}/v1/sites/{SITE}{path}"
        headers = {
            "authorization": f"Bearer {secret}",
            "x-forwarded-for": f"10.{chance.randrange(NETWORKS)}.7.7",
        }
        timeout_s = _IMPATIENT_S if impatient else PATIENCE_S
        try:
            answer = await self._client.request(method, url, json=body, headers=headers, timeout=timeout_s)
        except TransportError:
            self.ledger.answers[f"{method} {_kind(path)} unanswered"] += 1
            return None
        self.ledger.answers[f"{method} {_kind(path)} {answer.status_code} {code_of(answer)}".rstrip()] += 1
        return answer


class Visitor:
    """One at a time comes, does what visitors do, and makes room for the next; all chosen by a seed."""

    services: tuple[Service, ...] = SERVICES
    """What they want."""

    def __init__(self, street: Street, chance: random.Random) -> None:
        self._street, self._chance = street, chance
        self._ledger = street.ledger
        self._now: Callable[[], float] = asyncio.get_running_loop().time
        self._visit = Visit("", ())
        self._secret = ""
        self._slots = street.town.slots_of_services(self.services)

    async def keep_coming(self) -> None:
        while True:
            await self._come()
            await self._pause()

    async def _come(self) -> None:
        self._visit, self._secret = Visit(self._new_id(), self._wanted_lines()), self._new_id()
        self._ledger.visits[self._visit.id] = self._visit
        if self._chance.random() < 0.3:
            await self._look_around()
        if not await self._hold():
            return
        await self._pause()
        if self._chance.random() < 0.3:
            await self._look()
        version = 1
        if self._chance.random() < 0.25:
            version = await self._renew(version)
        if self._chance.random() < 0.2 and not await self._change(version):
            return
        await self._pause()
        await self._decide()

    async def _decide(self) -> None:
        """What becomes of the hold."""
        intention = self._chance.random()
        if intention < 0.15:
            await self._release()
        elif intention < 0.85 and await self._confirm() and self._chance.random() < 0.6:
            await self._pause()
            await self._cancel()

    async def _look_around(self) -> None:
        service, day = self._chance.choice(self.services), FIRST_DAY.isoformat()
        answer = await self._ask("GET", f"/services/{service.key}/availability?from={day}&to={day}")
        self._expect(answer, 200)

    async def _hold(self) -> bool:
        """Whether there is a hold now; asked for again with the same id until somebody says."""
        body = {
            "id": self._visit.id,
            "visitor": self._new_id(),
            "lines": [{"slot": slot, "seats": seats} for slot, seats in self._visit.lines],
        }
        for attempt in range(TRIES_MAX):
            sent_s = self._now()
            answer = await self._ask("POST", "/holds", body, impatient=self._loses_answer(attempt))
            if answer is not None and answer.status_code == 201:
                self._granted(answer, sent_s)
                return True
            if self._is_settled(answer):
                self._expect(answer, 409, 410, 429, but_not="id_conflict")
                return False
            await self._pause()
        return False

    async def _look(self) -> None:
        sent_s = self._now()
        answer = await self._ask("GET", f"/holds/{self._visit.id}")
        if answer is not None and answer.status_code == 200 and answer.json()["hold"]["state"] != "held":
            self._denied(sent_s, f"state {answer.json()['hold']['state']}")
        self._not_gone(answer, sent_s)
        self._expect(answer, 200, 404)

    async def _renew(self, version: int) -> int:
        sent_s = self._now()
        answer = await self._ask("PATCH", f"/holds/{self._visit.id}", {"version": version, "renew": True})
        if answer is not None and answer.status_code == 200:
            self._granted(answer, sent_s)
            return int(answer.json()["hold"]["version"])
        self._not_gone(answer, sent_s)
        self._expect(answer, 200, 404, 409, 410, but_not="paying")
        return version

    async def _change(self, version: int) -> bool:
        """Other slots instead, in one swap. Whether it is known what is held now."""
        before, wanted, grant = self._visit.lines, self._wanted_lines(), self._visit.grant
        assert grant is not None
        self._visit.former.append(Former(before, grant, self._now()))
        self._visit.grant = None
        body = {"version": version, "lines": [{"slot": slot, "seats": seats} for slot, seats in wanted]}
        for attempt in range(TRIES_MAX):
            sent_s = self._now()
            path = f"/holds/{self._visit.id}"
            answer = await self._ask("PATCH", path, body, impatient=self._loses_answer(attempt))
            if answer is not None and answer.status_code == 200:
                self._visit.lines = wanted
                self._granted(answer, sent_s)
                return True
            if self._is_settled(answer):
                self._expect(answer, 404, 409, 410, but_not="paying")
                if attempt == 0:
                    self._visit.grant = self._visit.former.pop().grant
                    self._not_gone(answer, sent_s)
                return attempt == 0
            await self._pause()
        return False

    async def _release(self) -> None:
        self._visit.let_go_s = sent_s = self._now()
        for attempt in range(TRIES_MAX):
            answer = await self._ask("DELETE", f"/holds/{self._visit.id}", impatient=self._loses_answer(attempt))
            if attempt == 0:
                self._not_gone(answer, sent_s)
            if self._is_settled(answer):
                self._expect(answer, 204, 404, 409, 410)
                return
            await self._pause()

    async def _confirm(self) -> bool:
        """Whether it is booked; the same is sent again until somebody says, and now and then once more after that."""
        self._visit.confirmation_sent = True
        self._visit.let_go_s = min(self._visit.let_go_s, self._now())
        lines = [{"slot": slot, "seats": seats} for slot, seats in self._visit.lines]
        body = {"customer": {"name": f"Guest {self._visit.id}"}, "lines": lines, "visitor": self._new_id()}
        again = self._chance.random() < 0.2
        for attempt in range(TRIES_MAX):
            sent_s = self._now()
            path = f"/holds/{self._visit.id}/confirmation"
            answer = await self._ask("POST", path, body, impatient=self._loses_answer(attempt))
            if answer is not None and answer.status_code == 201:
                self._booked(answer)
                if not again:
                    return True
                again = False
            elif self._is_settled(answer):
                assert answer is not None
                self._expect(answer, 404, 409, 410, 429, but_not="id_conflict")
                if attempt == 0:
                    told = f"{answer.status_code} {code_of(answer)} at the confirmation"
                    self._denied(sent_s, told, excused_after_s=CONFIRMING_WINDOW.total_seconds())
                if self._visit.numbers:
                    self._surprise(f"{self._visit.id} was booked, and then refused: {answer.text}")
                if code_of(answer) in NO_FOR_GOOD:
                    self._visit.refused = code_of(answer)
                return False
            await self._pause()
        return bool(self._visit.numbers)

    async def _cancel(self) -> None:
        (secret,) = self._visit.secrets
        self._visit.cancellation_sent_s = self._now()
        for attempt in range(TRIES_MAX):
            path = f"/orders/{self._visit.id}/cancellation"
            answer = await self._ask("POST", path, secret=secret, impatient=self._loses_answer(attempt))
            if self._is_settled(answer):
                self._expect(answer, 200)
                self._visit.cancelled = answer is not None and answer.status_code == 200
                return
            await self._pause()

    def _granted(self, answer: Answer, sent_s: float) -> None:
        self._visit.grant = granted(answer, sent_s, self._now())

    def _booked(self, answer: Answer) -> None:
        told = answer.json()
        self._visit.booked_s = min(self._visit.booked_s, self._now())
        self._visit.numbers.add(told["order"]["number"])
        self._visit.secrets.add(told["order_secret"])
        bookings = told["order"]["bookings"]
        self._visit.booked_lines.add(frozenset((booking["slot"], booking["seats"]) for booking in bookings))

    def _not_gone(self, answer: Answer | None, sent_s: float) -> None:
        if answer is not None and code_of(answer) in _GONE:
            self._denied(sent_s, code_of(answer))

    def _denied(self, sent_s: float, told: str, excused_after_s: float = FOR_EVER) -> None:
        self._visit.denials.append(Denial(sent_s, self._now(), told, excused_after_s))

    def _expect(self, answer: Answer | None, *statuses: int, but_not: str | None = None) -> None:
        """Whatever fails, these answers make sense, and 503."""
        if answer is None or answer.status_code == 503:
            return
        if answer.status_code not in statuses or code_of(answer) == but_not:
            self._surprise(f"{self._visit.id}: {answer.request.method} {answer.request.url.path}: {answer.text[:200]}")

    def _surprise(self, what: str) -> None:
        self._ledger.surprises.append(what)

    def _is_settled(self, answer: Answer | None) -> bool:
        return answer is not None and answer.status_code not in (500, 503)

    def _loses_answer(self, attempt: int) -> bool:
        return attempt == 0 and self._chance.random() < 0.08

    def _wanted_lines(self) -> tuple[tuple[str, int], ...]:
        wanted: dict[str, int] = {}
        for _ in range(2 if self._chance.random() < 0.2 else 1):
            among = self._slots[:HOT_SLOTS] if self._chance.random() < 0.6 else self._slots
            slot = self._chance.choice(among)
            wanted[slot.id] = min(CAPACITY[slot.service], self._chance.choice((1, 1, 1, 2, 3)))
        return tuple(wanted.items())

    async def _ask(self, method: str, path: str, body: Any = None, **how: Any) -> Answer | None:
        visit, sent_s = self._visit, self._now()
        answer = await self._street.ask(self._chance, method, path, body, **{"secret": self._secret, **how})
        told = (
            f"{answer.status_code} {code_of(answer)} from {answer.request.url.port}"
            if answer is not None
            else "nothing"
        )
        visit.story.append(f"{sent_s:.3f} {method} {_kind(path)}, {self._now():.3f} {told}")
        if answer is not None and answer.status_code == 500:
            self._surprise(f"{self._visit.id}: {method} {path} failed: {answer.text[:200]}")
        return answer

    async def _pause(self) -> None:
        await asyncio.sleep(self._chance.uniform(0.02, 0.3))

    def _new_id(self) -> str:
        return base64.urlsafe_b64encode(self._chance.randbytes(16)).decode().rstrip("=")


def granted(answer: Answer, sent_s: float, heard_s: float) -> Grant:
    told = answer.json()
    return Grant(sent_s, heard_s, (ms_of(told["hold"]["expires_at"]) - ms_of(told["server_now"])) / 1000)


def code_of(answer: Answer) -> str:
    if answer.status_code < 400:
        return ""
    try:
        return str(answer.json()["error"]["code"])
    except (ValueError, KeyError):
        return "without a code"


def _kind(path: str) -> str:
    """The path without what is different each time."""
    parts = path.partition("?")[0].strip("/").split("/")
    return parts[2] if len(parts) > 2 else parts[0]


def ms_of(instant: str) -> int:
    return to_ms(datetime.fromisoformat(instant))
