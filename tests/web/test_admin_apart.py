"""No room of a site opens to the operator of another one, and none to whoever is not signed in."""

import re
from collections.abc import AsyncIterator

import pytest
from httpx2 import Response as Answer
from starlette.routing import Route

from tests.house import House, slot
from tests.web.desks import Desk, desk_in
from tests.web.test_admin_bookings import book, order_path
from widget_server.ids import new_id
from widget_server.web.admin import routes
from widget_server.web.forms import form_token

pytestmark = pytest.mark.anyio

SAME_ORIGIN = {"sec-fetch-site": "same-origin"}
ROUTES = [route for route in routes if isinstance(route, Route) and "{site}" in route.path]


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with desk_in(house) as desk:
        await book(house)
        yield desk


def named(route: Route) -> str:
    return f"{min(route.methods or ())} {route.path}"


def is_of_nobody(answer: Answer) -> bool:
    """Refused because of who asks, and not for want of what is asked for: that would say something else."""
    whys = ("You have no site of this name.", "Your role there is staff.")
    return answer.status_code == 404 and any(why in answer.text for why in whys)


async def path_of(route: Route, desk: Desk) -> str:
    """With ids that are there, as far as the house has such a thing."""
    parts = {"site": desk.site, "slot": slot().id, "hold": new_id(), "booking:row": "1"}
    parts["order"] = (await order_path(desk)).removeprefix("/orders/")
    parts["service"] = "yoga"
    return re.sub(r"\{([\w:]+)\}", lambda found: parts.get(found[1], "1"), route.path)


async def test_the_operator_of_another_site_finds_nothing(house: House, desk: Desk) -> None:
    await house.found("other")
    async with desk_in(house, "other") as other:
        for route in ROUTES:
            path, method = await path_of(route, desk), min(route.methods or ())
            sent = {"form_token": form_token(other.session)} if method == "POST" else None
            answer = await other.client.request(method, path, data=sent, headers=SAME_ORIGIN)

            assert is_of_nobody(answer), named(route)
            if method == "GET":
                assert (await other.client.head(path)).status_code == 404, named(route)
    assert await house.booked_in_sql() == 1


@pytest.mark.parametrize("number", [str(2**31), "9" * 30, "9" * 5_000])
async def test_a_number_that_no_database_takes_is_nothing_anywhere(desk: Desk, number: str) -> None:
    numbered = [route for route in ROUTES if ":row}" in route.path]
    for route in numbered:
        path = await path_of(Route(re.sub(r"\{\w+:row\}", number, route.path), route.endpoint), desk)
        data, method = {"form_token": form_token(desk.session)}, min(route.methods or ())
        answer = await desk.client.request(method, path, data=data if method == "POST" else None, headers=SAME_ORIGIN)

        assert answer.status_code == 404, named(route)
    assert len(numbered) > 5


async def test_whoever_is_not_signed_in_is_sent_to_the_door(house: House, desk: Desk) -> None:
    for route in ROUTES:
        path = await path_of(route, desk)
        for method in route.methods or ():
            answer = await house.client.request(method, path, headers=SAME_ORIGIN)

            assert answer.headers.get("location", "").startswith("/admin/sign-in"), (method, named(route))


async def test_no_form_counts_without_the_token_of_its_session(house: House, desk: Desk) -> None:
    forms = [route for route in ROUTES if "POST" in (route.methods or ())]
    for route in forms:
        path = await path_of(route, desk)
        for headers in (SAME_ORIGIN, {"sec-fetch-site": "cross-site"}):
            assert (await desk.client.post(path, headers=headers)).status_code == 403, named(route)
    assert len(forms) > 20
    assert await house.booked_in_sql() == 1
