"""Looking at something changes nothing: mail servers and browsers open links before people do, and often."""

import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from starlette.routing import Route

from tests.engine.servers import Valkey
from tests.house import SITE, Guest, House, slot
from tests.payments.shop import Shop, opened_shop
from tests.store.studio import YOGA
from tests.use_cases.till import LESSON, Till, opened_till
from tests.web.desks import desk_in
from tests.web.rooms import fields_of
from tests.web.teams import hire
from tests.web.test_checkout import check_out
from tests.web.test_coupons import TENTH, make
from tests.web.test_my_bookings import ask, code_sent
from tests.web.test_subscriptions import subscribe
from widget_server.domain.messages import Kind
from widget_server.ids import new_id
from widget_server.store.messages import Messages
from widget_server.web.routes import all_routes

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def shop() -> AsyncIterator[Shop]:
    async with opened_shop() as shop:
        yield shop


@pytest.fixture
async def till(shop: Shop, empty_valkey: Valkey, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Till]:
    own = replace(shop, account=shop.books.open_account())
    async with opened_till(empty_valkey.url, sqlite_template, tmp_path, own) as till:
        yield till


async def written(house: House, folder: Path) -> tuple[int, str]:
    """How often Redis was written to, and all that is in SQL."""
    (told,) = await house.redis.read(("INFO", "persistence"))
    changes = re.search(r"rdb_changes_since_last_save:(\d+)", str(told))
    assert changes is not None, told
    return int(changes[1]), dumped(folder)


def dumped(folder: Path) -> str:
    with closing(sqlite3.connect(next(folder.rglob("*.sqlite3")))) as sql:
        return "\n".join(sql.iterdump())


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


API = "/v1/sites/{site}"
NOT_OPENED = {f"{API}/feed": "it never ends; its head is asked for instead"}
NOT_SHOWN = {
    "/admin": (303, "it leads to her only site"),
    "/admin/sign-in": (303, "she is signed in"),
    "/admin/sites/{site}/diary": (303, "she serves nobody herself, and is led home"),
    "/admin/sites/{site}/shifts": (404, "she serves nobody herself"),
    "/admin/sites/{site}/clearings/{clearing:row}": (404, "nothing is being cleared"),
    "/admin/sites/{site}/clearings/{clearing:row}/progress": (404, "nothing is being cleared"),
}
DAY = slot().starts_at.date()
QUERIES = {
    f"{API}/services/{{service}}/availability": f"?from={DAY}&to={DAY}",
    f"{API}/services/{{service}}/next": f"?from={DAY}",
    "/o/{site}/{id}": "?paying=done",
}


@dataclass(frozen=True)
class Opened:
    route: str
    path: str
    secret: str = ""
    """What opens it; none: everybody may."""


def opened_by(route: str, parts: dict[str, str], secret: str = "") -> Opened:
    return Opened(route, re.sub(r"\{([\w:]+)\}", lambda part: parts[part[1]], route) + QUERIES.get(route, ""), secret)


def addresses(anna: Guest, ben: Guest, code: str, message: str, calendar: dict[str, str]) -> list[Opened]:
    """All there are. Anna has booked and paid, Ben holds and is at the pay page."""
    readable = [one.path for one in all_routes() if isinstance(one, Route) and "GET" in (one.methods or ())]
    numbers = dict.fromkeys(re.findall(r"\w+:row", "".join(readable)), "1")
    of_site = numbers | {"site": SITE, "service": YOGA.key, "member": "mia", "slot": LESSON.id, "hold": ben.id}
    found: list[Opened] = []
    for path in readable:
        parts = of_site | {"order": anna.id, "id": ben.id if path.startswith(f"{API}/holds/") else anna.id}
        match path.removeprefix(API).split("/"):
            case ["", "holds", *_]:
                found.append(opened_by(path, parts, ben.secret))
            case ["", "orders", "{id}"]:
                found.append(opened_by(path, parts, anna.order_secret))
                found.append(opened_by(path, parts | {"id": ben.id}, ben.order_secret))
            case ["", "orders", *_]:
                found.append(opened_by(path, parts, anna.order_secret))
            case ["", "my-bookings"]:
                found.append(opened_by(path, parts, code))
            case ["", "calendar", *_]:
                found.append(opened_by(path, parts | calendar))
            case ["", "admin", "sites", _, "messages", *_]:
                found.append(opened_by(path, parts | {"message:row": message}))
            case _:
                found.append(opened_by(path, parts))
    assert {*NOT_OPENED, *NOT_SHOWN, *QUERIES} <= {*readable}
    return [one for one in found if one.route not in NOT_OPENED]


async def test_nothing_changes_by_being_opened(till: Till, tmp_path: Path) -> None:
    house = till.house
    await hire(house)
    await make(house, TENTH)
    anna, ben = house.guest(), house.guest()
    await anna.hold(LESSON)
    await check_out(anna)
    till.shop.books.pay(till.shop.only_session.id)
    await anna.send("POST", f"/orders/{anna.id}/payment", secret=anna.order_secret)
    assert (await ask(house)).status_code == 202
    code = await code_sent(house)
    listed = await Messages(house.parts.database).listed((await house.site()).id, limit=9)
    message = next(str(one.id) for one in listed if one.kind is Kind.BOOKED)
    async with desk_in(house) as mia:
        await mia.post("/blackouts/new", **(fields_of(await mia.get("/blackouts/new")) | {"first_day": "2030-12-24"}))
        calendar = re.findall(r"/calendar/(\d+)/([\w-]+)\.ics", await subscribe(mia))[0]
        await ben.hold(LESSON)
        opened = await written(house, tmp_path)
        await check_out(ben)
        before = await written(house, tmp_path)
        assert (before[0] > opened[0], before[1] != opened[1]) == (True, True), "what is written is seen"

        for one in addresses(anna, ben, code, message, dict(zip(("member:row", "secret"), calendar, strict=True))):
            client = mia.client if one.route.startswith("/admin") else house.client
            answer = await client.get(one.path, headers=bearer(one.secret) if one.secret else {})
            assert answer.status_code == NOT_SHOWN.get(one.route, (200, ""))[0], (one.path, answer.text)
            if one.secret:
                assert (await client.get(one.path, headers=bearer(new_id()))).status_code in (403, 404), one.path
        assert (await house.client.head(f"/v1/sites/{SITE}/feed")).status_code == 200

        assert await written(house, tmp_path) == before
