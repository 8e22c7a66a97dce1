"""The part of the reservation engine that fills a site anew, behind a closed gate, with what the store knows."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from widget_server.clock import from_ms
from widget_server.domain.attempts import WaitingPin
from widget_server.domain.bookings import BookedDay
from widget_server.domain.sites import Site
from widget_server.domain.slots import OfferedSlot
from widget_server.engine import calls, kept, keys
from widget_server.engine.calls import Call
from widget_server.engine.connection import Connection
from widget_server.engine.kept import KeptHold
from widget_server.engine.refusing import refusal
from widget_server.engine.wire import Reply
from widget_server.errors import Loading

READS_MAX = 3
NEVER_ENOUGH = 2**53
"""No epoch is so late: the gate is closed in any case."""
NO_LINES: Mapping[str, Sequence[str]] = {}


@dataclass(frozen=True, slots=True)
class Busy:
    """Why a site cannot be filled: until then somebody else does, or it has seen a later epoch than ours."""

    until: datetime
    epoch: int
    """The gate's."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A site needs no filling: its gate is open in this epoch."""

    epoch: int


class Restoring:
    _connection: Connection
    _run: Callable[[Call], Awaitable[list[Reply]]]

    async def rebuild(
        self, site: Site, epoch: int, rebuilder: str, takeover: timedelta, *, enough: int = NEVER_ENOUGH
    ) -> Busy | Filled | None:
        """Close the gate to fill the site under a new epoch. None: it is ours, and until `takeover` after its last sign
        of life nobody else's; again: begins anew. A gate that is open in the epoch `enough` or a later one stays so.
        """
        call = calls.rebuild(site, epoch=epoch, rebuilder=rebuilder, takeover=takeover, enough=enough)
        match await self._run(call):
            case ["TAKEN"]:
                return None
            case ["FILLED", int(epoch)]:
                return Filled(epoch)
            case ["BUSY", int(until_ms), int(epoch)]:
                return Busy(from_ms(until_ms), epoch)
            case answer:
                raise refusal(answer, [])

    async def restore(
        self,
        site: Site,
        rebuilder: str,
        takeover: timedelta,
        days: Sequence[BookedDay] = (),
        lines: Mapping[str, Sequence[str]] = NO_LINES,
    ) -> int | None:
        """Write what the store counts as booked on these days, count what is held anew, and return how many slots.

        None: the rebuild is another's. This is a sign of life, also without a day. `lines` names the slots of a day
        that have lines, as far as is known: where others count as held, they are looked at, too. Raises Loading where
        these become ever more.
        """
        for _ in range(READS_MAX):
            call = calls.restore(site, rebuilder=rebuilder, takeover=takeover, days=days, lines=lines)
            match await self._run(call):
                case ["RESTORED", int(count)]:
                    return count
                case ["UNCOUNTED", [*slots]]:
                    lines = _with_more(lines, slots)
                case _:
                    return None
        raise Loading("The seats of this site are being counted; try again in a moment.")

    async def restore_pins(
        self,
        site: Site,
        rebuilder: str,
        pins: Sequence[tuple[WaitingPin, Sequence[OfferedSlot]]],
        *,
        window: timedelta,
        now: datetime,
    ) -> int | None:
        """Let whoever is paying have their seats again, each as their slots are offered, and return how many have them.

        None: the rebuild is another's. Again: the same. Holds that Redis knows are read where that is needed.
        """
        presumed = [_just_held(site, pin) for pin, _ in pins]
        count = 0
        for _ in range(READS_MAX):
            wanted = zip(presumed, pins, strict=True)
            answers = await self._connection.run_all(
                [
                    calls.restore_pin(
                        site, found, pin, offered, rebuilder=rebuilder, window=window, left=pin.pay_until - now
                    )
                    for found, (pin, offered) in wanted
                ]
            )
            if ["NOT_YOURS"] in answers:
                return None
            count += answers.count(["PINNED"])
            pins = [pin for pin, answer in zip(pins, answers, strict=True) if answer == ["MOVED"]]
            if not pins:
                break
            presumed = await self._as_kept(site, [pin for pin, _ in pins])
        return count

    async def open(self, site: Site, rebuilder: str, schedule_version: int) -> bool:
        """Open the gate again; widgets are told to read everything anew. False if the rebuild is another's by now."""
        call = calls.open_gate(site, rebuilder=rebuilder, schedule_version=schedule_version)
        return await self._run(call) == ["OPENED"]

    async def _as_kept(self, site: Site, pins: Sequence[WaitingPin]) -> list[KeptHold]:
        """Their holds as they stand, open gate or not."""
        of_site = keys.of_site(site.partition, site.key)
        answers = await self._connection.read(
            *(("HMGET", of_site.hold(pin.hold_id), *kept.HOLD_FIELDS) for pin in pins)
        )
        found = [kept.kept_hold(site.key, pin.hold_id, fields) for pin, fields in zip(pins, answers, strict=True)]
        return [
            replace(hold, lines=pin.lines) if hold else _just_held(site, pin)
            for hold, pin in zip(found, pins, strict=True)
        ]


def _with_more(lines: Mapping[str, Sequence[str]], slots: Sequence[str]) -> dict[str, Sequence[str]]:
    more = dict(lines)
    for slot_id in slots:
        day = slot_id.partition("T")[0]
        more[day] = (*more.get(day, ()), slot_id)
    return more


def _just_held(site: Site, pin: WaitingPin) -> KeptHold:
    return kept.just_held(site.key, pin.hold_id, pin.lines, pin.visitor, pin.network)
