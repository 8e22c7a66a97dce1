"""The admin rooms with a real store behind them, and a browser that sends what browsers send."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

from httpx2 import ASGITransport, AsyncClient
from httpx2 import Response as Answer
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.use_cases.office import Office, open_office
from widget_server.errors import Refusal
from widget_server.use_cases.people import People
from widget_server.use_cases.sites import Sites
from widget_server.web.admin import refused_page, routes
from widget_server.web.headers import SecurityHeaders


@dataclass(frozen=True)
class RoomsOnly:
    """As much of the use cases as the admin rooms ask for."""

    sites: Sites
    people: People


@dataclass(frozen=True)
class Rooms:
    office: Office
    client: AsyncClient

    async def get(self, path: str) -> Answer:
        return await self.client.get(path)

    async def post(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        """A form sent from one of our own pages, unless `headers` say otherwise."""
        return await self.client.post(path, data=fields, headers={"sec-fetch-site": "same-origin"} | headers)

    async def form_token(self, path: str) -> str:
        return fields_of(await self.get(path))["form_token"]


@asynccontextmanager
async def open_rooms(folder: Path, template: Path, url: str = "http://localhost:8000") -> AsyncIterator[Rooms]:
    office = open_office(folder, template)
    app = Starlette(routes=routes, middleware=[Middleware(SecurityHeaders)], exception_handlers={Refusal: _refused})
    state = {"use_cases": RoomsOnly(office.sites, office.people), "base_url": url, "trusted_proxies": ()}
    stateful = _with_state(app, state)
    async with AsyncClient(transport=ASGITransport(app=stateful), base_url=url) as client:
        yield Rooms(office, client)
    await office.database.close()


def fields_of(response: Answer) -> dict[str, str]:
    """What the settings form would send, as it stands in the page."""
    page = response.text
    fields = {}
    for tag in re.findall(r"<input\b[^>]*>", page):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        is_off = attributes.get("type") in ("checkbox", "radio") and not re.search(r"\schecked\b", tag)
        if "name" in attributes and not is_off:
            fields[attributes["name"]] = unescape(attributes.get("value", ""))
    for name, options in re.findall(r'<select\b[^>]*name="([\w-]+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        values = re.findall(r'value="([^"]*)" selected', options) or re.findall(r'value="([^"]*)"', options)
        fields[name] = values[0]
    for name, text in re.findall(r'<textarea\b[^>]*name="([\w-]+)"[^>]*>\n?(.*?)</textarea>', page, re.DOTALL):
        fields[name] = unescape(text)
    return fields


def path_of(response: Answer) -> str:
    """Where a redirect leads."""
    assert response.status_code == 303, response.text
    parts = urlsplit(response.headers["location"])
    assert not parts.netloc
    return parts.path + (f"?{parts.query}" if parts.query else "")


async def _refused(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    return refused_page(request, refusal)


def _with_state(app: ASGIApp, state: dict[str, object]) -> ASGIApp:
    """In place of a lifespan, which this transport does not run."""

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = dict(state)
        await app(scope, receive, send)

    return with_state
