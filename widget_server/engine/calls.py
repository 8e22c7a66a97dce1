"""The only place that puts keys and arguments in the order a script wants: one function a script, as in its header."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from secrets import randbelow
from typing import NamedTuple

from widget_server.clock import to_ms
from widget_server.domain.attempts import WaitingPin
from widget_server.domain.bookings import BookedDay, BookedSeats
from widget_server.domain.claims import Assignment
from widget_server.domain.holds import Line
from widget_server.domain.orders import Claimed
from widget_server.domain.sites import Site
from widget_server.domain.slots import OfferedSlot, Slot
from widget_server.engine import keys
from widget_server.engine.kept import Claim, DueHold, KeptHold, claims_of, counted_until, days_of
from widget_server.engine.keys import SLOTS_KEPT, SiteKeys
from widget_server.engine.scripts import Script, load
from widget_server.engine.wire import Word, pack

_RANDOM_MAX = 2**31
_site_of = attrgetter("site_key")


DAYS_KEPT = 1_000


class Call(NamedTuple):
    """A script with its keys and arguments."""

    script: Script
    keys: Sequence[str]
    args: Sequence[Word]

    def of_settled_slot(self) -> "Call":
        """The same, which a Cluster refuses while the keys of its slot are on their way to another server.

        Before a script begins, a Cluster looks whether all its keys are in place, and one of these never is. Else it
        could begin, take the last line out of a slot, and end at the next question for that key: what is gone might
        have moved. Then it is half done.
        """
        return Call(self.script, [*self.keys, keys.never_there(self.keys[0])], self.args)

    def by_sha(self) -> bytes:
        return pack(b"EVALSHA", self.script.sha, len(self.keys), *self.keys, *self.args)

    def by_text(self) -> bytes:
        return pack(b"EVAL", self.script.text, len(self.keys), *self.keys, *self.args)


class Terms(NamedTuple):
    """What holds have in common that are asked for by one script."""

    partition: str
    site_key: str
    epoch: int
    schedule_version: int
    length_ms: int
    limit_ms: int
    """How far it can be renewed, from now."""
    visitor_max: int
    network_max: int


class Wanted(NamedTuple):
    """What one visitor wants to hold: their part of the keys and arguments of a script for several."""

    id: str
    lines: int
    keys: list[str]
    args: list[Word]
    needs_keys: list[str]
    needs_args: list[Word]
    """What its slots need beside seats; empty for most."""


def terms(site: Site, *, schedule_version: int, limit_lengths: int, visitor_max: int, network_max: int) -> Terms:
    """`limit_lengths`: up to so many times its length can a hold be renewed."""
    length_ms = site.hold_minutes * 60_000
    of_site = site.partition, site.key, site.epoch
    return Terms(*of_site, schedule_version, length_ms, length_ms * limit_lengths, visitor_max, network_max)


def wanted(
    site: Site,
    lines: Sequence[Line],
    offered: Sequence[OfferedSlot],
    *,
    id: str,
    secret_hash: str,
    visitor: str,
    network: str,
    instead_of: Sequence[Claimed] = (),
) -> Wanted:
    of_site = keys.of_site(site.partition, site.key)
    its_keys = [of_site.hold(id), of_site.visitor(visitor), of_site.network(network)]
    for line in lines:
        its_keys += of_site.seats(line.slot.id)
    args: list[Word] = [id, secret_hash, visitor, network, len(lines), *_of_lines(lines, offered)]
    needs_keys: list[str] = []
    needs_args: list[Word] = []
    if any(offer.needs for offer in offered):
        needs_args += [randbelow(_RANDOM_MAX), _named(instead_of)]
        _add_needs(site, offered, needs_keys, needs_args)
    return Wanted(id, len(lines), its_keys, args, needs_keys, needs_args)


def hold(terms: Terms, wanted: Sequence[Wanted]) -> Call:
    """Holds of different ids; one that needs somebody is alone."""
    partition, site_key, *of_all = terms
    of_site = keys.of_site(partition, site_key)
    of_partition = of_site.partition
    hold_keys = [of_site.gate, of_partition.clock, of_partition.due, of_partition.feed]
    args: list[Word] = [site_key, *of_all, len(wanted)]
    for one in wanted:
        hold_keys += one.keys
        args += one.args
    for one in wanted:
        hold_keys += one.needs_keys
        args += one.needs_args
    return Call(load("hold"), hold_keys, args)


def renew(site: Site, kept: KeptHold, secret_hash: str, *, version: int, deadline_ms: int) -> Call:
    args = [site.key, site.epoch, kept.id, secret_hash, version, deadline_ms, kept.claims_text, *_read(kept.lines)]
    return Call(load("renew"), keys_of(site, kept), args)


def change(
    site: Site,
    kept: KeptHold,
    secret_hash: str,
    lines: Sequence[Line],
    offered: Sequence[OfferedSlot],
    *,
    schedule_version: int,
    version: int,
) -> Call:
    of_site, wanted, diaries = keys.of_site(site.partition, site.key), _of_lines(lines, offered), _diaries(site, kept)
    changed_keys = [of_site.gate, of_site.partition.clock, of_site.partition.feed, of_site.hold(kept.id)]
    changed_keys += _of_slots(site, (line.slot.id for line in kept.lines))
    changed_keys += [*_of_slots(site, (line.slot.id for line in lines)), *diaries]
    args: list[Word] = [site.key, site.epoch, schedule_version, kept.id, secret_hash, version, kept.claims_text]
    args += [len(diaries), _random(offered), len(kept.lines), len(lines), *_read(kept.lines), *wanted]
    _add_needs(site, offered, changed_keys, args)
    return Call(load("change"), changed_keys, args)


def release(site: Site, kept: KeptHold, secret_hash: str) -> Call:
    args = [site.key, site.epoch, kept.id, secret_hash, kept.claims_text, *_read(kept.lines)]
    return Call(load("release"), keys_of(site, kept), args)


def pin(
    site: Site,
    kept: KeptHold,
    offered: Sequence[OfferedSlot],
    *,
    schedule_version: int,
    secret_hash: str,
    attempt: str,
    window: timedelta,
    pins_max: int,
    instead_of: Sequence[Claimed] = (),
) -> Call:
    pinned_keys, diaries = keys_of(site, kept), len(_diaries(site, kept))
    args: list[Word] = [site.key, site.epoch, schedule_version, kept.id, secret_hash, kept.visitor, kept.network]
    args += [
        attempt,
        _ms(window),
        pins_max,
        kept.claims_text,
        diaries,
        _random(offered),
        _named(instead_of),
        len(kept.lines),
        *_of_lines(kept.lines, offered),
    ]
    _add_needs(site, offered, pinned_keys, args)
    return Call(load("pin"), pinned_keys, args)


def unpin(site: Site, kept: KeptHold, *, fence: int, release: bool, min_left: timedelta) -> Call:
    mode = "release" if release else "hold"
    args = [site.key, site.epoch, kept.id, fence, mode, _ms(min_left), kept.claims_text, *_read(kept.lines)]
    return Call(load("unpin"), keys_of(site, kept), args)


def commit(site: Site, kept: KeptHold, *, fence: int, booked: Sequence[BookedSeats]) -> Call:
    """The slots of the hold and those the store tells of; they are the same unless something went wrong before."""
    held = {line.slot: line.seats for line in kept.lines}
    told = {seats.slot: (seats.booked, seats.version) for seats in booked}
    slots = list(dict.fromkeys([*held, *told]))
    args: list[Word] = [site.key, site.epoch, kept.id, fence, kept.claims_text, len(slots)]
    for slot in slots:
        args += [slot.id, held.get(slot, 0), *told.get(slot, (-1, 0)), to_ms(slot.starts_at)]
    gate, _, *others = _of_hold(site, kept.id, kept.visitor, kept.network, [slot.id for slot in slots])
    return Call(load("commit"), [gate, *others, *_diaries(site, kept)], args)


def assign(site: Site, assignments: Sequence[Assignment], *, rebuilder: str) -> Call:
    of_site = keys.of_site(site.partition, site.key)
    assigned_keys = [of_site.gate, of_site.partition.feed]
    args: list[Word] = [site.key, site.epoch, rebuilder]
    for one in assignments:
        busy = to_ms(one.busy_from), to_ms(one.busy_until)
        member = f"{one.hold_id}:{one.slot.id}:{busy[0]}:{busy[1]}:{one.seats}"
        for day in days_of(*busy):
            assigned_keys.append(of_site.diary(one.claimed, day))
            args += [member, 0 if one.is_freed else busy[1]]
    return Call(load("assign"), assigned_keys, args)


def set_booked(site: Site, booked: Sequence[BookedSeats]) -> Call:
    of_site = keys.of_site(site.partition, site.key)
    slot_keys = _of_slots(site, (seats.slot.id for seats in booked))
    args = [site.key, site.epoch, *_booked(booked)]
    return Call(load("set_booked"), [of_site.gate, of_site.partition.feed, *slot_keys], args)


def sweep(partition: str, holds: Sequence[DueHold], *, retry: timedelta) -> Call:
    of_partition = keys.of_partition(partition)
    swept_keys = [of_partition.clock, of_partition.due, of_partition.feed]
    args: list[Word] = [_ms(retry)]
    for site_key, holds_of_site in groupby(sorted(holds, key=_site_of), _site_of):
        of_site = keys.of_site(partition, site_key)
        days, slots, hold_keys, hold_args = _due_of(of_site, holds_of_site)
        swept_keys += [of_site.gate, *days.values(), *slots.values(), *hold_keys]
        args += [site_key, len(days), len(slots), len(hold_args) // 3, *days, *slots, *hold_args]
    return Call(load("sweep"), swept_keys, args)


def _due_of(of_site: SiteKeys, holds: Iterable[DueHold]) -> tuple[dict[str, str], dict[str, str], list[str], list[str]]:
    """The key of each day, by what the ids of its slots have before their T, and of each slot, by its id; and keys and
    arguments of the holds.
    """
    days: dict[str, str] = {}
    slots: dict[str, str] = {}
    hold_keys: list[str] = []
    hold_args: list[str] = []
    for hold in holds:
        hold_keys += [of_site.hold(hold.id), of_site.visitor(hold.visitor), of_site.network(hold.network)]
        for slot_id in hold.slot_ids:
            if slot_id not in slots:
                days[slot_id.partition("T")[0]], slots[slot_id] = of_site.seats(slot_id)
        hold_keys += _diaries_of(of_site, claims_of(hold.claims_text))
        hold_args += [hold.id, hold.lines_text, hold.claims_text]
    return days, slots, hold_keys, hold_args


def raise_schedule(site: Site, *, version: int, token: str) -> Call:
    of_site = keys.of_site(site.partition, site.key)
    return Call(load("raise"), [of_site.gate, of_site.partition.feed], [site.key, site.epoch, version, token])


def settle(site: Site, *, version: int) -> Call:
    of_site = keys.of_site(site.partition, site.key)
    return Call(load("settle"), [of_site.gate, of_site.partition.feed], [site.key, site.epoch, version])


def rebuild(site: Site, *, epoch: int, rebuilder: str, takeover: timedelta, enough: int) -> Call:
    of_site = keys.of_site(site.partition, site.key)
    gate, of_partition = of_site.gate, of_site.partition
    args: list[Word] = [epoch, rebuilder, _ms(takeover), enough]
    return Call(load("rebuild"), [gate, of_partition.clock, of_partition.feed], args)


def restore(
    site: Site, *, rebuilder: str, takeover: timedelta, days: Sequence[BookedDay], lines: Mapping[str, Sequence[str]]
) -> Call:
    """`lines`: day -> those of its slots that have lines."""
    of_site = keys.of_site(site.partition, site.key)
    restored_keys = [of_site.gate, of_site.partition.clock]
    args: list[Word] = [rebuilder, _ms(takeover)]
    for day, seats in days:
        with_lines = lines.get(day, ())
        service, _, date_text = day.partition(".")
        restored_keys += [of_site.day_of(service, date_text), *[of_site.lines(slot_id) for slot_id in with_lines]]
        args += [day, len(with_lines), _end_of(date_text), seats]
    return Call(load("restore"), restored_keys, args)


def restore_pin(
    site: Site,
    kept: KeptHold,
    pin: WaitingPin,
    offered: Sequence[OfferedSlot],
    *,
    rebuilder: str,
    window: timedelta,
    left: timedelta,
) -> Call:
    """`kept`: the hold as it was read, or as it would be if it were just taken."""
    wanted, diaries = _of_lines(pin.lines, offered), _diaries(site, kept) if kept.claims_text else []
    gate, clock, due, _, *others = _of_hold(
        site, pin.hold_id, kept.visitor, kept.network, [line.slot.id for line in pin.lines]
    )
    pinned_keys = [gate, clock, due, *others, *diaries]
    args: list[Word] = [site.key, rebuilder, pin.hold_id, pin.secret_hash, kept.visitor, kept.network, pin.attempt_id]
    args += [pin.fence, _ms(site.hold_length), _ms(window), max(0, _ms(left)), kept.claims_text]
    args += [len(diaries), _random(offered), _named(pin.instead_of), len(pin.lines), *wanted]
    _add_needs(site, offered, pinned_keys, args)
    return Call(load("restore_pin"), pinned_keys, args)


def open_gate(site: Site, *, rebuilder: str, schedule_version: int) -> Call:
    of_site = keys.of_site(site.partition, site.key)
    return Call(load("open"), [of_site.gate, of_site.partition.feed], [site.key, rebuilder, schedule_version])


def keys_of(site: Site, kept: KeptHold) -> list[str]:
    """The keys of a hold, its lines and the diaries of its claims, as most verbs on a hold want them."""
    of_lines = _of_hold(site, kept.id, kept.visitor, kept.network, [line.slot.id for line in kept.lines])
    return [*of_lines, *_diaries(site, kept)]


def _diaries(site: Site, kept: KeptHold) -> list[str]:
    return _diaries_of(keys.of_site(site.partition, site.key), kept.claims)


def _diaries_of(of_site: SiteKeys, claims: Iterable[Claim]) -> list[str]:
    return [of_site.diary(claim.claimed, day) for claim in claims for day in claim.days]


def _add_needs(site: Site, offered: Sequence[OfferedSlot], to_keys: list[str], to_args: list[Word]) -> None:
    """What lib/needs_of.lua reads: each need with its candidates, and their diaries."""
    of_site = keys.of_site(site.partition, site.key)
    for number, offer in enumerate(offered, start=1):
        for need in offer.needs:
            busy = to_ms(need.busy_from), to_ms(need.busy_until)
            counted = to_ms(need.day_from), to_ms(need.day_until)
            stands_in = days_of(*busy)
            days = [*stands_in, *(day for day in days_of(*counted) if day not in stands_in)]
            to_keys += [of_site.diary(name, day) for name in need.candidates for day in days]
            to_args += [number, need.seats_each, *busy, *counted, len(days), len(stands_in)]
            to_args += [len(need.candidates), *need.candidates]


def _named(claimed: Sequence[Claimed]) -> str:
    """As lib/named_claims.lua reads it."""
    return " ".join(f"{one.hold_id}:{one.slot.id}" for one in claimed)


def _random(offered: Sequence[OfferedSlot]) -> int:
    """Chooses between those who are equally fit to serve; nothing, where nobody is to be chosen."""
    return randbelow(_RANDOM_MAX) if any(offer.needs for offer in offered) else 0


def _of_hold(site: Site, hold_id: str, visitor: str, network: str, slot_ids: Iterable[str]) -> list[str]:
    of_site = keys.of_site(site.partition, site.key)
    clock, due, feed = of_site.partition.clock, of_site.partition.due, of_site.partition.feed
    hold_keys = [of_site.gate, clock, due, feed, of_site.hold(hold_id)]
    hold_keys += [of_site.visitor(visitor), of_site.network(network)]
    for slot_id in slot_ids:
        hold_keys += of_site.seats(slot_id)
    return hold_keys


def _of_slots(site: Site, slot_ids: Iterable[str]) -> list[str]:
    of_site = keys.of_site(site.partition, site.key)
    return [key for slot_id in slot_ids for key in of_site.seats(slot_id)]


def _of_lines(lines: Sequence[Line], offered: Sequence[OfferedSlot]) -> list[Word]:
    args: list[Word] = []
    for line, offer in zip(lines, offered, strict=True):
        assert line.slot == offer.slot, "lines and offered slots are in the same order"
        slot_id, starts_ms = _id_and_start(line.slot)
        args += [slot_id, line.seats, starts_ms, offer.capacity]
    return args


@lru_cache(SLOTS_KEPT)
def _id_and_start(slot: Slot) -> tuple[str, int]:
    """Most holds are for slots that others wanted just before."""
    return slot.id, to_ms(slot.starts_at)


def _read(lines: Sequence[Line]) -> list[Word]:
    args: list[Word] = []
    for line in lines:
        args += [line.slot.id, line.seats, to_ms(line.slot.starts_at)]
    return args


def _booked(booked: Sequence[BookedSeats]) -> list[Word]:
    args: list[Word] = []
    for seats in booked:
        args += [seats.slot.id, seats.booked, seats.version, to_ms(seats.slot.starts_at)]
    return args


@lru_cache(DAYS_KEPT)
def _end_of(day: str) -> int:
    """When the hash of a day, as `20261121`, is to end, in seconds."""
    return to_ms(counted_until(date.fromisoformat(day))) // 1000


def _ms(length: timedelta) -> int:
    return length // timedelta(milliseconds=1)
