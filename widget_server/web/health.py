"""For those who run it: is the process alive, can it serve, how is it doing."""

import asyncio

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from widget_server.use_cases.readiness import OK
from widget_server.web.context import use_cases


async def healthz(request: Request) -> Response:
    """The process answers. Nothing else is asked: a dead Redis is no reason to restart a web process."""
    return JSONResponse({"status": "alive"}, headers={"cache-control": "no-store"})


async def readyz(request: Request) -> Response:
    """Whether visitors can be served now, each part by name with "ok" or one sentence; and what to see to besides."""
    readiness = use_cases(request).readiness
    parts, notes = await asyncio.gather(readiness.ask(), readiness.notes())
    ready = all(state == OK for state in parts.values())
    return JSONResponse(
        {"status": "ready" if ready else "not ready", "parts": parts} | ({"notes": notes} if notes else {}),
        200 if ready else 503,
        headers={"cache-control": "no-store"},
    )


async def metrics(request: Request) -> Response:
    """Of this process, how soon it tells of changes, and of the workers' rounds. Lines of one name stand together."""
    found = use_cases(request)
    figures = sorted((await found.readiness.figures() | await found.feed_lag.figures()).items())
    body = generate_latest() + "".join(f"{name} {value!r}\n" for name, value in figures).encode()
    return Response(body, media_type=CONTENT_TYPE_LATEST, headers={"cache-control": "no-store"})
