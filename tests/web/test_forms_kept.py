"""What was typed stays, and can be sent again, where the database or Redis goes away just as it is saved."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.house import House
from tests.web.desks import Desk, desk_in
from tests.web.rooms import fields_of
from tests.web.test_admin_bookings import book, booking_of, order_path
from widget_server.errors import Unavailable
from widget_server.web.forms import form_token

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with desk_in(house) as desk:
        yield desk


async def test_nothing_typed_is_lost_while_the_database_is_away(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await book(desk.house)
    order, use_cases = await order_path(desk), desk.house.parts.use_cases
    cancelling, site = await booking_of(desk, order), desk.path("")
    person, new_site, settings = f"{site}/people/{desk.operator.id}", "/admin/new-site", f"{site}/settings"
    forms: list[tuple[object, str, str, str, dict[str, str]]] = [
        (use_cases.dashboard, "cancel", f"{site}{order}", f"{site}{cancelling}", {"message": "The heating is broken."}),
        (use_cases.people, "invite", f"{site}/people", f"{site}/people", {"email": "mia@example.org", "role": "owner"}),
        (use_cases.people, "change_role", person, person, {"role": "owner"}),
        (use_cases.sites, "create", new_site, new_site, {"name": "The other studio", "key": "other"}),
        (
            use_cases.sites,
            "change_settings",
            settings,
            settings,
            {"name": "The old studio", "hold_minutes": "7"},
        ),
    ]

    async def away(*_: Any, **__: Any) -> None:
        raise Unavailable("The database is not there just now. Please try again.")

    for use_case, verb, shown, sent, typed in forms:
        filled = fields_of(await desk.client.get(shown)) | typed | {"form_token": form_token(desk.session)}
        with monkeypatch.context() as patched:
            patched.setattr(use_case, verb, away)
            answer = await desk.client.post(sent, data=filled, headers={"sec-fetch-site": "same-origin"})

        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2"), verb
        assert "All you typed is still here" in answer.text, verb
        assert typed.items() <= fields_of(answer).items(), verb
