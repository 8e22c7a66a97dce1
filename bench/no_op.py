"""A reference: a hold's way through our own server, with nothing at its end that reads, asks or keeps anything."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from starlette.applications import Starlette

from widget_server import quick_holds
from widget_server.clock import SystemClock
from widget_server.domain.holds import Hold, HoldState, Line
from widget_server.domain.slots import Slot
from widget_server.live.hub import Hub
from widget_server.quick_holds import QuickHold
from widget_server.serving import listening, run, serve
from widget_server.web.api.answers import reply
from widget_server.web.bodies import HoldAnswer


def granted() -> bytes:
    """As long as any answer that grants a seat of the site that is measured."""
    at = datetime(2026, 11, 22, 12, tzinfo=UTC)
    later = at + timedelta(minutes=30)
    hold = Hold("A" * 22, HoldState.HELD, (Line(Slot("desk", at, later), 1),), later, later, 1, at)
    return quick_holds.written(reply(HoldAnswer.json_of(hold), 201))


def main(port: str) -> None:
    answer = granted()

    async def answered(self: QuickHold) -> bytes:
        return answer

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, None]]:
        yield {"use_cases": None}  # without any, no request goes the short way

    QuickHold._answered = answered  # type: ignore[method-assign]
    with listening("127.0.0.1", int(port)) as sockets:
        print("Serving", flush=True)
        run(serve(Starlette(lifespan=lifespan), sockets, Hub(clock=SystemClock()), None))


if __name__ == "__main__":
    main(*sys.argv[1:])
