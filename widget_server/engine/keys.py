"""The only place that builds names of Redis keys.

Partition, in braces, so that all its keys share one slot of a Redis Cluster:
    {p}:clock                           HASH    offset, seen: the one clock of the partition
    {p}:due                             ZSET    "<site>/<hold>" -> deadline, or resolve-by when pinned
    {p}:feed                            STREAM  every change, with absolute figures
Site:
    {p}:<site>:gate                     HASH    epoch, schedule, raised_by, state OPEN|REBUILDING, and of the filling:
                                                rebuilder, until_ms, begun_at (an id of the feed); claims: how many
                                                changes all diaries of the site have had
    {p}:<site>:day:<service>:<date>     HASH    "<hhmm>Z.<minutes>" -> "held:booked:version:booked_version[:frees_ms]"
    {p}:<site>:slot:<slot>              ZSET    "<hold>:<seats>" -> deadline, +inf when pinned: every live line
    {p}:<site>:diary:<claimed>:<date>   ZSET    "<hold>:<slot>:<from>:<until>:<seats>" -> deadline, +inf when pinned,
                                                4e15 when booked: who or what is busy; a claim stands in each UTC day
                                                it touches. "#" -> how often this diary has changed,
                                                counted on from all of the site when it began
    {p}:<site>:hold:<hold>              HASH    state, secret, lines, deadline, limit, version, visitor, network,
                                                claims, renewed_from, changed_from, and of its pins: attempt, fence,
                                                window, resolve_by, pins, unpinned
    {p}:<site>:visitor:<hash>           ZSET    hold -> deadline, +inf when pinned: for budgets
    {p}:<site>:network:<hash>           ZSET    likewise
All instants are milliseconds. Day hashes and diaries end a week after their day, holds a day after
their end, or ten minutes after they were given back if they were never pinned, all others when empty.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

SITES_KEPT = SLOTS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class PartitionKeys:
    clock: str
    due: str
    feed: str


@dataclass(frozen=True, slots=True)
class SiteKeys:
    partition: PartitionKeys
    gate: str
    prefix: str

    def hold(self, hold_id: str) -> str:
        return f"{self.prefix}hold:{hold_id}"

    def visitor(self, visitor: str) -> str:
        return f"{self.prefix}visitor:{visitor}"

    def network(self, network: str) -> str:
        return f"{self.prefix}network:{network}"

    def seats(self, slot_id: str) -> tuple[str, str]:
        """The day hash that counts the seats of a slot, and the set of its lines."""
        return _of_slot(self.prefix, slot_id)

    def lines(self, slot_id: str) -> str:
        """The set of the lines of a slot."""
        return self.seats(slot_id)[1]

    def day_of(self, service: str, date_text: str) -> str:
        """As `day`, of `20261121`."""
        return _of_day(self.prefix, service, date_text)

    def diary(self, claimed: str, day: date) -> str:
        return f"{self.prefix}diary:{claimed}:{day:%Y%m%d}"

    def day(self, service: str, day: date) -> str:
        return f"{self.prefix}day:{service}:{day:%Y%m%d}"

    @property
    def days(self) -> str:
        """A pattern that all day hashes of the site match, and nothing else."""
        return f"{self.prefix}day:*"


@lru_cache(SITES_KEPT)
def of_partition(partition: str) -> PartitionKeys:
    tag = f"{{{partition}}}"
    return PartitionKeys(f"{tag}:clock", f"{tag}:due", f"{tag}:feed")


@lru_cache(SITES_KEPT)
def of_site(partition: str, site_key: str) -> SiteKeys:
    prefix = f"{{{partition}}}:{site_key}:"
    return SiteKeys(of_partition(partition), f"{prefix}gate", prefix)


@lru_cache(SLOTS_KEPT)
def _of_slot(prefix: str, slot_id: str) -> tuple[str, str]:
    """Most holds are for slots that others wanted just before."""
    service, _, start = slot_id.partition(".")
    return _of_day(prefix, service, start[:8]), f"{prefix}slot:{slot_id}"


def _of_day(prefix: str, service: str, date_text: str) -> str:
    return f"{prefix}day:{service}:{date_text}"


def never_there(key: str) -> str:
    """Falls into the same slot of a Redis Cluster as this key, and nobody ever writes it."""
    return f"{key.partition('}')[0]}}}:never"


def due_member(site_key: str, hold_id: str) -> str:
    return f"{site_key}/{hold_id}"


def slot_id(service: str, day: date, field: str) -> str:
    """The slot that this field of a day hash counts."""
    return f"{service}.{day:%Y%m%d}T{field}"


def slot_ids(day_key: str, fields: Iterable[str]) -> list[str]:
    """The slots that these fields of a day hash count."""
    _, service, day = day_key.rsplit(":", 2)
    return [f"{service}.{day}T{field}" for field in fields]
