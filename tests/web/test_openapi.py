"""The API keeps to its own description, whatever schemathesis makes of it."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from redis import Redis
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from tests.engine.servers import Valkey
from tests.house import SITE, opened, slot
from tests.live.serving import served
from widget_server.ids import new_id
from widget_server.web.api.description import document

PATIENCE_S = 60.0
SECRET = new_id()
HOLDS = [letter * 22 for letter in "ABCDEFGH"]
"""Known ids: one confirmed, one released, some held, and the last one unknown."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def known_to_a_client() -> dict[str, Any]:
    """The description, with names in it that exist: most calls would only find out that there is no such site."""
    known = deepcopy(document())
    del known["paths"]["/v1/sites/{site}/feed"]  # it never ends
    days = [str(slot(day=day).starts_at.date()) for day in (0, 5, 40)]
    names = {"site": [SITE], "service": ["yoga", "talk"], "from": days, "to": days, "id": list(HOLDS)}
    names["after"] = ["1795230800-1", "9999999999-999999999"]
    for operation in (operation for operations in known["paths"].values() for operation in operations.values()):
        operation.pop("security", None)  # sent with every call
        for parameter in operation["parameters"]:
            parameter["schema"]["enum"] = names[parameter["name"]]
    line = known["components"]["schemas"]["LineBody"]["properties"]
    line["slot"]["enum"] = [slot(number=number).id for number in range(4)]
    return known


schema = schemathesis.openapi.from_dict(known_to_a_client())


@dataclass(frozen=True)
class Server:
    url: str
    order_secret: str


@pytest.fixture(scope="module")
def server(valkey: Valkey, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """In a thread of its own, as schemathesis calls from outside."""
    with Redis.from_url(valkey.url) as redis:
        redis.flushall()
    loop, ready, ended = asyncio.new_event_loop(), Future[Server](), asyncio.Event()

    async def serve() -> None:
        async with (
            opened(valkey.url, sqlite_template, tmp_path_factory.mktemp("openapi")) as house,
            served(house.app, house.parts.hub.goodbye) as (_, port),
        ):
            guests = [replace(house.guest(), id=hold_id, secret=SECRET) for hold_id in HOLDS[:-1]]
            for number, guest in enumerate(guests):
                await guest.hold(slot(number=number % 4))
            await guests[0].confirm()
            await guests[1].release()
            ready.set_result(Server(f"http://127.0.0.1:{port}", guests[0].order_secret))
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    yield ready.result(PATIENCE_S)
    loop.call_soon_threadsafe(ended.set)
    thread.join(PATIENCE_S)
    loop.close()


@schema.parametrize()
@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_is_described(case: Case[Any], server: Server) -> None:
    secret = server.order_secret if "/orders/" in case.path else SECRET

    answer = case.call(base_url=server.url, headers={"authorization": f"Bearer {secret}"}, timeout=PATIENCE_S)
    checks = CHECKS if answer.status_code == 413 else [*CHECKS, negative_data_rejection]  # which knows no 413
    case.validate_response(answer, checks=checks)
