"""The only place that mends what an audit finds wrong in a living Redis: slot by slot, hold by hold, as the holds and
the store have it. Each may be done twice, and by several at once: what is right already stays as it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from widget_server.clock import to_ms
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.engine import keys
from widget_server.engine.calls import Call
from widget_server.engine.connection import Connection
from widget_server.engine.kept import DiaryEntry
from widget_server.engine.refusing import refusal
from widget_server.engine.scripts import load
from widget_server.engine.wire import Word

MENDED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class SlotMending:
    """`booked` and `version` are the store's, read after `seen_version` had been read here."""

    slot: Slot
    booked: int
    version: int
    seen_version: int
    doubted: tuple[tuple[str, int], ...] = ()
    """Hold id and seats of lines that may be there wrongly, or be missing."""


@dataclass(frozen=True, slots=True)
class HoldMending:
    """`visitor` and `network` name the sets that the hold stands in, or should."""

    hold_id: str
    visitor: str
    network: str


@dataclass(frozen=True, slots=True)
class ClaimMending:
    """A claim that no booking in the store has. `seen_version` is the hold's, read before the store was asked; None
    where there was no hold.
    """

    entry: DiaryEntry
    seen_version: int | None


class Mending:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def slots(self, site: Site, wanted: Sequence[SlotMending]) -> int:
        """How many did not count right. Raises Loading where the site is not loaded, Unavailable."""
        return await self._run([mend_slot(site, one) for one in wanted])

    async def holds(self, site: Site, wanted: Sequence[HoldMending]) -> int:
        """How many were not noted right. Raises Loading where the site is not loaded, Unavailable."""
        return await self._run([mend_hold(site, one) for one in wanted])

    async def claims(self, site: Site, wanted: Sequence[ClaimMending]) -> int:
        """How many stood wrongly, or were missing. Raises Loading where the site is not loaded, Unavailable."""
        return await self._run([mend_claim(site, one) for one in wanted])

    async def _run(self, calls: Sequence[Call]) -> int:
        mended = 0
        for at in range(0, len(calls), MENDED_AT_ONCE):
            for answer in await self._connection.run_all(calls[at : at + MENDED_AT_ONCE]):
                match answer:
                    case ["RIGHT", int(changed)]:
                        mended += changed
                    case _:
                        raise refusal(answer, [])
        return mended


def mend_slot(site: Site, wanted: SlotMending) -> Call:
    of_site, slot = keys.of_site(site.partition, site.key), wanted.slot
    holds = [of_site.hold(hold_id) for hold_id, _ in wanted.doubted]
    args: list[Word] = [site.key, site.epoch, slot.id, to_ms(slot.starts_at)]
    args += [wanted.booked, wanted.version, wanted.seen_version]
    for hold_id, seats in wanted.doubted:
        args += [hold_id, seats]
    of_partition = [of_site.partition.clock, of_site.partition.feed]
    return Call(load("mend_slot"), [of_site.gate, *of_partition, *of_site.seats(slot.id), *holds], args)


def mend_hold(site: Site, wanted: HoldMending) -> Call:
    of_site = keys.of_site(site.partition, site.key)
    sets = [of_site.visitor(wanted.visitor), of_site.network(wanted.network)]
    args: list[Word] = [site.key, site.epoch, wanted.hold_id, wanted.visitor, wanted.network]
    return Call(load("mend_hold"), [of_site.gate, of_site.partition.due, of_site.hold(wanted.hold_id), *sets], args)


def mend_claim(site: Site, wanted: ClaimMending) -> Call:
    of_site, entry = keys.of_site(site.partition, site.key), wanted.entry
    claim, of_partition = entry.claim, of_site.partition
    named = (claim.text, claim.until_ms) if claim is not None else ("", 0)
    seen_version = "" if wanted.seen_version is None else wanted.seen_version
    args: list[Word] = [site.key, site.epoch, entry.hold_id, entry.member, seen_version, *named]
    diary_key, hold_key = of_site.diary(entry.claimed, entry.day), of_site.hold(entry.hold_id)
    return Call(load("mend_claim"), [of_site.gate, of_partition.clock, of_partition.feed, diary_key, hold_key], args)
