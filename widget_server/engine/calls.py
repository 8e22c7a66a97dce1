"""The only place that puts keys and arguments in the order a script wants: one function a script, as in its header."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from widget_server.clock import to_ms
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.holds import Line
from widget_server.domain.sites import Site
from widget_server.domain.slots import OfferedSlot
from widget_server.engine import keys
from widget_server.engine.kept import KeptHold
from widget_server.engine.scripts import Script, load
from widget_server.engine.wire import Word, pack


@dataclass(frozen=True, slots=True)
class Call:
    """A script with its keys and arguments."""

    script: Script
    keys: Sequence[str]
    args: Sequence[Word]

    def by_sha(self) -> bytes:
        return pack(b"EVALSHA", self.script.sha, len(self.keys), *self.keys, *self.args)

    def by_text(self) -> bytes:
        return pack(b"EVAL", self.script.text, len(self.keys), *self.keys, *self.args)


def hold(
    site: Site,
    lines: Sequence[Line],
    offered: Sequence[OfferedSlot],
    *,
    schedule_version: int,
    id: str,
    secret_hash: str,
    limit: timedelta,
    visitor: str,
    network: str,
    visitor_max: int,
    network_max: int,
) -> Call:
    wanted = _wanted(lines, offered)
    args: list[Word] = [site.key, site.epoch, schedule_version, id, secret_hash, _ms(site.hold_length), _ms(limit)]
    args += [visitor, network, visitor_max, network_max, *wanted]
    # A slot writes its id anew each time it is asked, and this is the hot path: the arguments have it.
    return Call(load("hold"), _of_hold(site, id, visitor, network, wanted[::4]), args)


def renew(site: Site, kept: KeptHold, secret_hash: str, *, version: int, deadline_ms: int) -> Call:
    args = [site.key, site.epoch, kept.id, secret_hash, version, deadline_ms, *_read(kept.lines)]
    return Call(load("renew"), keys_of(site, kept), args)


def release(site: Site, kept: KeptHold, secret_hash: str) -> Call:
    return Call(load("release"), keys_of(site, kept), [site.key, site.epoch, kept.id, secret_hash, *_read(kept.lines)])


def pin(
    site: Site,
    hold_keys: Sequence[str],
    lines: Sequence[Line],
    offered: Sequence[OfferedSlot],
    *,
    schedule_version: int,
    id: str,
    secret_hash: str,
    attempt: str,
    window: timedelta,
    pins_max: int,
) -> Call:
    args: list[Word] = [site.key, site.epoch, schedule_version, id, secret_hash, attempt, _ms(window), pins_max]
    return Call(load("pin"), hold_keys, [*args, *_wanted(lines, offered)])


def unpin(site: Site, kept: KeptHold, *, fence: int, release: bool, min_left: timedelta) -> Call:
    mode = "release" if release else "hold"
    args = [site.key, site.epoch, kept.id, fence, mode, _ms(min_left), *_read(kept.lines)]
    return Call(load("unpin"), keys_of(site, kept), args)


def commit(site: Site, kept: KeptHold, *, fence: int, booked: Sequence[BookedSeats]) -> Call:
    """The slots of the hold and those the store tells of; they are the same unless something went wrong before."""
    held = {line.slot: line.seats for line in kept.lines}
    told = {seats.slot: (seats.booked, seats.version) for seats in booked}
    slots = list(dict.fromkeys([*held, *told]))
    args: list[Word] = [site.key, site.epoch, kept.id, fence]
    for slot in slots:
        args += [slot.id, held.get(slot, 0), *told.get(slot, (-1, 0)), to_ms(slot.starts_at)]
    gate, _, *others = _of_hold(site, kept.id, kept.visitor, kept.network, [slot.id for slot in slots])
    return Call(load("commit"), [gate, *others], args)


def set_booked(site: Site, booked: Sequence[BookedSeats]) -> Call:
    of_site = keys.of_site(site.partition, site.key)
    slot_keys = _of_slots(site, (seats.slot.id for seats in booked))
    args = [site.key, site.epoch, *_booked(booked)]
    return Call(load("set_booked"), [of_site.gate, of_site.partition.feed, *slot_keys], args)


def sweep(partition: str, kept: Sequence[KeptHold], *, retry: timedelta) -> Call:
    of_partition = keys.of_partition(partition)
    swept_keys = [of_partition.clock, of_partition.due, of_partition.feed]
    args: list[Word] = [_ms(retry)]
    for hold in kept:
        of_site = keys.of_site(partition, hold.site_key)
        swept_keys += [of_site.gate, of_site.hold(hold.id)]
        swept_keys += [of_site.visitor(hold.visitor), of_site.network(hold.network)]
        swept_keys += [key for line in hold.lines for key in of_site.seats(line.slot.id)]
        args += [hold.site_key, hold.id, len(hold.lines), *_read(hold.lines)]
    return Call(load("sweep"), swept_keys, args)


def raise_schedule(site: Site, *, version: int, token: str) -> Call:
    of_site = keys.of_site(site.partition, site.key)
    return Call(load("raise"), [of_site.gate, of_site.partition.feed], [site.key, site.epoch, version, token])


def settle(site: Site, *, version: int) -> Call:
    of_site = keys.of_site(site.partition, site.key)
    return Call(load("settle"), [of_site.gate, of_site.partition.feed], [site.key, site.epoch, version])


def rebuild(site: Site, *, epoch: int, rebuilder: str, takeover: timedelta) -> Call:
    of_site = keys.of_site(site.partition, site.key)
    return Call(load("rebuild"), [of_site.gate, of_site.partition.clock], [epoch, rebuilder, _ms(takeover)])


def restore(site: Site, *, rebuilder: str, booked: Sequence[BookedSeats]) -> Call:
    of_site = keys.of_site(site.partition, site.key)
    slot_keys = _of_slots(site, (seats.slot.id for seats in booked))
    return Call(load("restore"), [of_site.gate, *slot_keys], [rebuilder, *_booked(booked)])


def open_gate(site: Site, *, rebuilder: str, schedule_version: int) -> Call:
    of_site = keys.of_site(site.partition, site.key)
    return Call(load("open"), [of_site.gate, of_site.partition.feed], [site.key, rebuilder, schedule_version])


def keys_of(site: Site, kept: KeptHold) -> list[str]:
    """The keys of a hold and its lines, as most verbs on a hold want them."""
    return _of_hold(site, kept.id, kept.visitor, kept.network, [line.slot.id for line in kept.lines])


def _of_hold(site: Site, hold_id: str, visitor: str, network: str, slot_ids: Iterable[Word]) -> list[str]:
    of_site = keys.of_site(site.partition, site.key)
    clock, due, feed = of_site.partition.clock, of_site.partition.due, of_site.partition.feed
    hold_keys = [of_site.gate, clock, due, feed, of_site.hold(hold_id)]
    return [*hold_keys, of_site.visitor(visitor), of_site.network(network), *_of_slots(site, slot_ids)]


def _of_slots(site: Site, slot_ids: Iterable[Word]) -> list[str]:
    of_site = keys.of_site(site.partition, site.key)
    return [key for slot_id in slot_ids for key in of_site.seats(str(slot_id))]


def _wanted(lines: Sequence[Line], offered: Sequence[OfferedSlot]) -> list[Word]:
    args: list[Word] = []
    for line, offer in zip(lines, offered, strict=True):
        assert line.slot == offer.slot, "lines and offered slots are in the same order"
        args += [line.slot.id, line.seats, to_ms(line.slot.starts_at), offer.capacity]
    return args


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


def _ms(length: timedelta) -> int:
    return length // timedelta(milliseconds=1)
