"""Looking at something changes nothing: mail servers and browsers open links before people do, and often."""

import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.servers import Valkey
from tests.house import SITE, Guest, House, slot
from tests.payments.shop import Shop, opened_shop
from tests.store.studio import YOGA
from tests.use_cases.till import LESSON, Till, opened_till
from tests.web.test_checkout import check_out
from widget_server.ids import new_id

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


def addresses(anna: Guest, ben: Guest) -> list[tuple[str, str]]:
    """Each with the secret that opens it. Anna has booked and paid, Ben holds and is at the pay page."""
    of_site, day = f"/v1/sites/{SITE}", slot().starts_at.date()
    order, hold = f"{of_site}/orders/{anna.id}", f"{of_site}/holds/{ben.id}"
    return [
        (order, anna.order_secret),
        (f"{order}/receipt", anna.order_secret),
        (f"{order}/calendar.ics", anna.order_secret),
        (f"{of_site}/orders/{ben.id}", ben.order_secret),
        (hold, ben.secret),
        (f"{hold}/checkout", ben.secret),
        (f"{of_site}/services", ""),
        (f"{of_site}/services/{YOGA.key}/availability?from={day}&to={day}", ""),
        (f"{of_site}/services/{YOGA.key}/next?from={day}", ""),
        (f"/o/{SITE}/{anna.id}?paying=done", ""),
        (f"/o/{SITE}/{anna.id}/receipt", ""),
        (f"/my/{SITE}", ""),
    ]


async def test_no_address_of_a_customer_changes_anything_by_being_opened(till: Till, tmp_path: Path) -> None:
    house = till.house
    anna, ben = house.guest(), house.guest()
    await anna.hold(LESSON)
    await check_out(anna)
    till.shop.books.pay(till.shop.only_session.id)
    await anna.send("POST", f"/orders/{anna.id}/payment", secret=anna.order_secret)
    await ben.hold(LESSON)
    opened = await written(house, tmp_path)
    await check_out(ben)
    before = await written(house, tmp_path)
    assert (before[0] > opened[0], before[1] != opened[1]) == (True, True), "what is written is seen"

    for path, secret in addresses(anna, ben):
        for tried in (secret, new_id()):
            answer = await house.client.get(path, headers=bearer(tried) if tried else {})
            assert answer.status_code == 200 or tried != secret, (path, answer.text)
    assert (await house.client.get(f"/v1/sites/{SITE}/my-bookings", headers=bearer(new_id()))).status_code == 404
    assert (await house.client.head(f"/v1/sites/{SITE}/feed")).status_code == 200

    assert await written(house, tmp_path) == before
