"""The part of the reservation engine that ends holds: what is due in a partition, some at a time."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from widget_server.clock import from_ms
from widget_server.engine import calls, kept, keys
from widget_server.engine.calls import Call
from widget_server.engine.connection import Connection
from widget_server.engine.kept import DueHold
from widget_server.engine.wire import Reply

SWEEP_FIRST, SWEEP_GROWTH, SWEEP_MAX = 128, 4, 8_192
"""So many holds are looked for at first, mostly far more than are due; where all of them are, so many times as many."""
SWEPT_AT_ONCE = 32
"""So few are ended by one script, so that others need not wait long behind it."""
SWEPT_BESIDE = 2
"""So many scripts are on their way at once: Redis ends some holds while we put the next together. With more of them it
would not end them sooner, and others would wait behind all."""
LINES_AT_ONCE = 128
"""So few lines does one script give back, if they are of several holds: one entry of the feed tells of all of them."""
LOOKS_DUE_MS = 20
"""The sweep reads along what will be due in the blink of an eye; the script decides."""
READ_AT_ONCE = 1_000
"""So many holds are read by one pipeline."""


@dataclass(frozen=True, slots=True)
class Swept:
    """All instants are on the partition's clock."""

    now: datetime
    ended: int
    next_due: datetime | None
    to_resolve: tuple[tuple[str, str], ...]
    """Site key and hold id of pinned holds past their resolve-by."""


class Sweeping:
    _connection: Connection
    _run: Callable[[Call], Awaitable[list[Reply]]]

    async def sweep(self, partition: str, *, retry: timedelta) -> Swept:
        """End holds that are due, and name pinned ones past their resolve-by, each once in `retry`.

        Where `next_due` is not after `now`, there is more: call again.
        """
        answers: list[list[Reply]] = []
        many = SWEEP_FIRST
        due = await self._due(partition, many, after=0)
        while due or not answers:
            if len(due) < many:
                answers += await self._end(partition, due, retry=retry)
                break
            many = min(many * SWEEP_GROWTH, SWEEP_MAX)
            # Of the next ones those before are still in front, for their reading leaves first.
            due, ended = await asyncio.gather(
                self._due(partition, many, after=len(due)), self._end(partition, due, retry=retry)
            )
            answers += ended
        now, _, next_due, *_ = answers[-1]
        to_resolve = tuple(_split(ref) for answer in answers for ref in answer[3:])
        return Swept(from_ms(now), sum(answer[1] for answer in answers), kept.instant(next_due), to_resolve)

    async def _end(self, partition: str, due: Sequence[DueHold], *, retry: timedelta) -> list[list[Reply]]:
        """What the scripts answer; at least one, though nothing be due."""
        pieces = _pieces(due)
        answers: list[list[Reply]] = []

        async def end_some() -> None:
            answers.extend([await self._run(calls.sweep(partition, piece, retry=retry)) for piece in pieces])

        await asyncio.gather(*(end_some() for _ in range(SWEPT_BESIDE)))
        return answers

    async def _due(self, partition: str, many: int, *, after: int) -> list[DueHold]:
        """Of the due set, after some, the next so many that are due or nearly so, as they stand. Those of the same
        slots come together: each script counts a slot once, however many lines leave it.
        """
        of_partition = keys.of_partition(partition)
        some, *clock = await self._connection.read(
            ("ZRANGE", of_partition.due, after, after + many - 1, "WITHSCORES"),
            *kept.clock_reads(of_partition.clock),
        )
        until_ms = kept.now_ms(*clock) + LOOKS_DUE_MS
        due: defaultdict[tuple[str, str], list[DueHold]] = defaultdict(list)
        refs = [ref for ref, score in zip(some[::2], some[1::2], strict=True) if int(score) <= until_ms]
        # Only so many at once, for scripts are on their way: they shall find us ready with the next.
        for at in range(0, len(refs), READ_AT_ONCE):
            for hold in await self._as_they_stand(partition, refs[at : at + READ_AT_ONCE]):
                due[hold.site_key, hold.lines_text].append(hold)
        return [hold for alike in sorted(due) for hold in due[alike]]

    async def _as_they_stand(self, partition: str, refs: Sequence[str]) -> list[DueHold]:
        names = [_split(ref) for ref in refs]
        of_names = [("HMGET", keys.of_site(partition, site).hold(hold), *kept.DUE_FIELDS) for site, hold in names]
        found = await self._connection.read(*of_names)
        return [kept.due_hold(*name, fields) for name, fields in zip(names, found, strict=True)]


def _pieces(due: Sequence[DueHold]) -> Iterator[list[DueHold]]:
    """In their order, as many as are ended at once; at least one piece, though it be empty."""
    piece: list[DueHold] = []
    lines = 0
    for hold in due:
        lines += len(hold.slot_ids)
        if piece and (lines > LINES_AT_ONCE or len(piece) == SWEPT_AT_ONCE):
            yield piece
            piece, lines = [], len(hold.slot_ids)
        piece.append(hold)
    yield piece


def _split(ref: str) -> tuple[str, str]:
    """Site key and hold id of a member of the due set."""
    site_key, _, hold_id = ref.partition("/")
    return site_key, hold_id
