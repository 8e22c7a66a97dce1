"""The only place that writes what open widgets read: server-sent events as bytes."""

import json
from collections.abc import Iterable
from datetime import datetime

from widget_server.clock import iso
from widget_server.domain.slots import Seats

BEAT = b": .\n\n"
"""A comment: it keeps proxies from closing a quiet connection, and shows us which are dead."""

BYE = b"event: bye\ndata: {}\n\n"


def retry(after_ms: int) -> bytes:
    return b"retry: %d\n\n" % after_ms


def hello(now: datetime) -> bytes:
    return _event("hello", {"server_now": iso(now)})


def seats(states: Iterable[tuple[str, Seats]], *, id: str | None) -> bytes:
    return _event("seats", {"slots": [_slot(slot_id, seats) for slot_id, seats in states]}, id)


def schedule(version: int, *, id: str | None) -> bytes:
    return _event("schedule", {"version": version}, id)


def reset(epoch: int, *, id: str | None) -> bytes:
    return _event("reset", {"epoch": epoch}, id)


def _slot(slot_id: str, seats: Seats) -> dict[str, object]:
    return {
        "slot": slot_id,
        "held": seats.held,
        "booked": seats.booked,
        "version": seats.version,
        "frees_at": iso(seats.frees_at) if seats.frees_at else None,
    }


def _event(name: str, body: object, id: str | None = None) -> bytes:
    id_line = f"id: {id}\n" if id else ""
    return f"event: {name}\n{id_line}data: {json.dumps(body, separators=(',', ':'))}\n\n".encode()
