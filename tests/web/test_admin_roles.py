"""The wall: who has the role of staff reaches what is listed here and nothing else, and no other site at all."""

from collections.abc import AsyncIterator

import pytest
from starlette.routing import Route

from tests.house import House
from tests.use_cases.office import NETWORK, PASSWORD
from tests.web.desks import Desk, desk_in
from tests.web.teams import MIAS, desk_of_staff, hire
from tests.web.test_admin_apart import ROUTES, SAME_ORIGIN, is_of_nobody, named, path_of
from tests.web.test_admin_bookings import book
from widget_server.web.admin import routes
from widget_server.web.forms import form_token

pytestmark = pytest.mark.anyio

SITE = "/admin/sites/{site}"
OF_STAFF = {
    f"GET {SITE}",
    f"GET {SITE}/diary",
    f"GET {SITE}/shifts",
    f"POST {SITE}/shifts",
    f"GET {SITE}/subscription",
    f"POST {SITE}/subscription",
    f"POST {SITE}/subscription/removal",
}
OF_NO_SITE = {
    "GET /admin",
    "GET /admin/setup",
    "POST /admin/setup",
    "GET /admin/sign-in",
    "POST /admin/sign-in",
    "POST /admin/sign-out",
    "GET /admin/password",
    "POST /admin/password",
    "GET /admin/invitation",
    "POST /admin/invitation",
    "POST /admin/invitation/acceptance",
    "GET /admin/new-site",
    "POST /admin/new-site",
}


@pytest.fixture
async def owner(house: House) -> AsyncIterator[Desk]:
    async with desk_in(house) as desk:
        await hire(house)
        await house.change_settings(staff_enter_shifts=True)
        await book(house)
        yield desk


async def is_open(desk: Desk, route: Route, path: str) -> bool:
    """To what our own pages would send. Behind the wall nothing is looked at but who asks, and so it says."""
    method = min(route.methods or ())
    data = {"form_token": form_token(desk.session)} if method == "POST" else None
    return not is_of_nobody(await desk.client.request(method, path, data=data, headers=SAME_ORIGIN))


async def open_to(desk: Desk, owner: Desk) -> set[str]:
    """The rooms of the owner's site."""
    return {named(route) for route in ROUTES if await is_open(desk, route, await path_of(route, owner))}


def test_every_other_route_of_the_rooms_is_of_no_site() -> None:
    others = {named(route) for route in routes if isinstance(route, Route) and route not in ROUTES}

    assert len(ROUTES) + len(others) == len(routes)
    assert others == OF_NO_SITE
    assert {named(route) for route in ROUTES} > OF_STAFF


async def test_staff_reach_what_is_theirs_and_nothing_else(house: House, owner: Desk) -> None:
    async with desk_of_staff(owner) as mia:
        reached = await open_to(mia, owner)

    assert reached == OF_STAFF
    assert await house.booked_in_sql() == 1, "and nothing has happened"


async def test_staff_of_one_site_reach_nothing_of_another(house: House, owner: Desk) -> None:
    await house.found("other")
    await hire(house, "other")
    async with desk_in(house, "other") as elsewhere, desk_of_staff(elsewhere) as mia:
        reached = await open_to(mia, owner)

    assert reached == set()


async def test_a_room_that_says_nothing_of_roles_is_for_owners(house: House, owner: Desk) -> None:
    async with desk_of_staff(owner) as mia:
        signed_in = await house.parts.use_cases.sites.signed_in(mia.session)
        assert signed_in is not None
        assert (await house.parts.use_cases.sites.enter(signed_in, "studio"))[0].key == "studio"

        assert (await mia.get("/live/holds")).status_code == 404
        assert (await owner.get("/live/holds")).status_code == 200


async def test_staff_are_led_to_their_diary(owner: Desk) -> None:
    async with desk_of_staff(owner) as mia:
        home = await mia.client.get("/admin")
        assert home.headers["location"] == mia.path("")
        assert (await mia.client.get(home.headers["location"])).headers["location"] == mia.path("/diary")


async def test_pages_that_are_open_end_with_the_access(house: House, owner: Desk) -> None:
    async with desk_of_staff(owner) as mia, desk_in(house) as ben:
        assert (await mia.get("/diary")).status_code == 200
        assert (await ben.get("/live/holds")).status_code == 200

        for leaving in (mia, ben):
            removal = await owner.post(f"/people/{leaving.operator.id}/removal")
            assert removal.headers["location"] == owner.path("/people?done=removed")

        assert (await mia.get("/diary")).status_code == 404
        assert (await ben.get("/live/holds")).status_code == 404
        assert (await ben.post("/people", email="dan@example.org", role="owner")).status_code == 404
        assert "No site yet" in (await mia.client.get("/admin")).text
        assert (await mia.client.get("/admin/new-site")).status_code == 404


async def test_an_owner_who_becomes_staff_is_one_at_once(house: House, owner: Desk) -> None:
    async with desk_in(house) as ben:
        await owner.post(f"/people/{ben.operator.id}", role="staff", staff="noah")

        answer = await ben.get("/bookings")
        assert answer.status_code == 404
        assert "This page is for owners of the site. Your role there is staff." in answer.text
        assert "Your diary" in (await ben.get("/diary")).text


async def test_staff_who_become_owners_with_their_diary_open_are_led_to_their_rooms(owner: Desk) -> None:
    async with desk_of_staff(owner) as mia:
        await owner.post(f"/people/{mia.operator.id}", role="owner")

        for room in ("/diary", "/diary?week=2030-01-07"):
            assert (await mia.get(room)).headers["location"] == mia.path("")
        assert (await mia.get("/diary?staff=nobody")).status_code == 404


async def test_one_address_has_another_role_elsewhere(house: House, owner: Desk) -> None:
    await house.found("other")
    async with desk_of_staff(owner) as mia:
        sites = house.parts.use_cases.sites
        token = await sites.first_run_token(await house.site("other"))
        session = await sites.set_up(token, MIAS, PASSWORD, network=NETWORK)
        mia.client.cookies.set("tenuto", session)

        assert (await mia.client.get("/admin/sites/other/bookings")).status_code == 200
        assert (await mia.get("/bookings")).status_code == 404
        diary = (await mia.get("/diary")).text
        assert 'href="/admin/sites/other"' in diary
        assert 'href="/admin/sites/studio/bookings"' not in diary
