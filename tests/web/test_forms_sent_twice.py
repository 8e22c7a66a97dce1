"""A form for something new that is sent twice adds one thing; what was typed anew adds another."""

from collections.abc import AsyncIterator

import pytest

from tests.house import House
from tests.web.desks import Desk, desk_in
from tests.web.rooms import fields_of, path_of

pytestmark = pytest.mark.anyio

NEW = {
    "services": {"name": "Chess"},
    "staff": {"name": "Pia", "w-0-starts": "08:00", "w-0-ends": "09:00"},
    "blackouts": {"first_day": "2030-12-24", "reason": "Christmas"},
}
OTHER = {"services": {"name": "Go"}, "staff": {"name": "Quinn"}, "blackouts": {"first_day": "2030-12-25"}}


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with desk_in(house) as desk:
        yield desk


async def how_many(desk: Desk, kind: str) -> int:
    _, schedule = await desk.house.parts.use_cases.sites.read(await desk.house.site())
    return len(getattr(schedule, kind))


@pytest.mark.parametrize("kind", NEW)
async def test_the_same_form_again_adds_nothing_more(desk: Desk, kind: str) -> None:
    form = fields_of(await desk.get(f"/{kind}/new")) | NEW[kind]
    before = await how_many(desk, kind)

    first, second = await desk.post(f"/{kind}/new", **form), await desk.post(f"/{kind}/new", **form)

    assert path_of(first) == path_of(second)
    assert await how_many(desk, kind) == before + 1
    assert len(await desk.entries()) == 1


@pytest.mark.parametrize("kind", NEW)
async def test_what_was_typed_anew_under_the_same_id_is_not_lost(desk: Desk, kind: str) -> None:
    form = fields_of(await desk.get(f"/{kind}/new")) | NEW[kind]
    before = await how_many(desk, kind)
    await desk.post(f"/{kind}/new", **form)

    assert (await desk.post(f"/{kind}/new", **form | OTHER[kind])).status_code == 303

    assert await how_many(desk, kind) == before + 2


@pytest.mark.parametrize("kind", NEW)
async def test_each_form_has_an_id_of_its_own_and_one_that_is_refused_keeps_it(desk: Desk, kind: str) -> None:
    form = fields_of(await desk.get(f"/{kind}/new"))

    refused = await desk.post(f"/{kind}/new", **form | {"name": "", "first_day": ""})

    assert refused.status_code == 422
    assert fields_of(refused)["form_id"] == form["form_id"]
    assert fields_of(await desk.get(f"/{kind}/new"))["form_id"] != form["form_id"]


async def test_two_operators_who_add_the_same_blackout_make_one(house: House, desk: Desk) -> None:
    async with desk_in(house) as other:
        for each in (desk, other):
            form = fields_of(await each.get("/blackouts/new")) | NEW["blackouts"]
            assert (await each.post("/blackouts/new", **form)).status_code == 303

    assert await how_many(desk, "blackouts") == 1
