"""Owners invite, change roles and take access away; who is invited accepts, with the link alone or with a password."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from html import unescape

import pytest
from httpx2 import ASGITransport, AsyncClient
from httpx2 import Response as Answer
from sqlalchemy import update

from tests.house import URL, House
from tests.use_cases.office import PASSWORD
from tests.web.desks import Desk, desk_in
from tests.web.rooms import fields_of, path_of
from tests.web.teams import MIAS, desk_of_staff, hire, invitation_for
from widget_server.domain.audit_log import Deed
from widget_server.store.tables import InvitationRow

pytestmark = pytest.mark.anyio

ALREADY = "This link was used or withdrawn, or is too old."


@pytest.fixture
async def owner(house: House) -> AsyncIterator[Desk]:
    async with desk_in(house) as desk:
        await hire(house)
        yield desk


@asynccontextmanager
async def browser(house: House) -> AsyncIterator[AsyncClient]:
    """Of somebody who is not signed in."""
    headers = {"sec-fetch-site": "same-origin"}
    async with AsyncClient(transport=ASGITransport(app=house.app), base_url=URL, headers=headers) as client:
        yield client


async def invited(desk: Desk, email: str = MIAS, role: str = "staff", staff: str = "mia") -> str:
    """The secret of the link that the page shows."""
    answer = await desk.post("/people", email=email, role=role, staff=staff)
    assert answer.status_code == 200, answer.text
    return token_in(answer)


def token_in(answer: Answer) -> str:
    found = re.search(rf"{URL}/admin/invitation#([\w-]{{22}})<", answer.text)
    assert found is not None
    return found[1]


async def accept(client: AsyncClient, token: str, password: str = PASSWORD) -> Answer:
    return await client.post("/admin/invitation/acceptance", data={"token": token, "password": password})


def said(answer: Answer) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.text)))


async def deeds(desk: Desk) -> list[str]:
    return [entry.deed for entry in reversed(await desk.entries())]


async def test_the_link_is_shown_once_and_lets_a_new_address_choose_a_password(house: House, owner: Desk) -> None:
    token = await invited(owner)
    people = await owner.get("/people")
    assert MIAS in people.text
    assert token not in people.text

    async with browser(house) as mia:
        for _ in range(2):
            assert "Open the invitation" in (await mia.get("/admin/invitation")).text
            opened = await mia.post("/admin/invitation", data={"token": token})
            assert "choose" not in opened.text
            assert 'autocomplete="new-password"' in opened.text, "looking uses nothing up"
        assert path_of(await accept(mia, token)) == owner.path("")
        assert "Your diary" in (await mia.get(owner.path("/diary"))).text
    assert "Staff · Mia Lind" in said(await owner.get("/people"))
    assert await deeds(owner) == [Deed.PERSON_INVITED, Deed.INVITATION_ACCEPTED]


async def test_mistakes_in_an_invitation_keep_what_was_typed(owner: Desk) -> None:
    for typed, field in (
        ({"email": "mia", "role": "owner", "staff": ""}, "email"),
        ({"email": MIAS, "role": "king", "staff": ""}, "role"),
        ({"email": MIAS, "role": "staff", "staff": ""}, "staff"),
        ({"email": MIAS, "role": "staff", "staff": "nobody"}, "staff"),
        ({"email": owner.operator.email, "role": "owner", "staff": ""}, "email"),
    ):
        answer = await owner.post("/people", **typed)

        assert answer.status_code == 422
        assert f'id="{field}-error"' in answer.text
        assert fields_of(answer)["email"] == typed["email"]
    assert await deeds(owner) == []


async def test_a_password_that_is_too_short_keeps_the_invitation(house: House, owner: Desk) -> None:
    token = await invited(owner)
    async with browser(house) as mia:
        answer = await accept(mia, token, "short")

        assert answer.status_code == 422
        assert "Use at least 10 characters." in answer.text
        assert fields_of(answer)["token"] == token
        assert (await accept(mia, token)).status_code == 303


async def test_a_link_that_was_used_withdrawn_or_made_up_says_so(house: House, owner: Desk) -> None:
    used, withdrawn, late = await invited(owner), "", ""
    async with browser(house) as mia, browser(house) as other:
        await accept(mia, used)
        withdrawn = await invited(owner, "noah@example.org", staff="noah")
        number = re.search(r"/people/invitations/(\d+)/withdrawal", (await owner.get("/people")).text)
        assert number is not None
        for done in ("withdrawn", "gone"):
            answer = await owner.post(f"/people/invitations/{number[1]}/withdrawal")
            assert path_of(answer) == owner.path(f"/people?done={done}")
        late = await invited(owner, "late@example.org")
        async with house.parts.database.transaction() as session:
            await session.exec(update(InvitationRow).values(expires_at=datetime.now(UTC)))

        for token in (used, withdrawn, late, "x" * 22, "", "x" * 4000):
            for answer in (await other.post("/admin/invitation", data={"token": token}), await accept(other, token)):
                assert answer.status_code == 422
                assert ALREADY in answer.text


async def test_an_invitation_of_somebody_else_is_refused(house: House, owner: Desk) -> None:
    token = await invited(owner)

    async with desk_in(house) as ben:
        for path in ("/admin/invitation", "/admin/invitation/acceptance"):
            headers = {"sec-fetch-site": "same-origin"}
            answer = await ben.client.post(path, data={"token": token, "password": PASSWORD}, headers=headers)

            assert answer.status_code == 422
            assert f"This link is for {MIAS}, and you are signed in as {ben.operator.email}." in said(answer)
    async with browser(house) as mia:
        assert (await accept(mia, token)).status_code == 303, "it still works for her"


async def test_who_is_signed_in_just_accepts(house: House, owner: Desk) -> None:
    await house.found("other")
    await hire(house, "other")
    async with desk_of_staff(owner) as mia, desk_in(house, "other") as elsewhere:
        headers = {"sec-fetch-site": "same-origin"}
        token = await invited(elsewhere)
        opened = await mia.client.post("/admin/invitation", data={"token": token}, headers=headers)
        assert 'type="password"' not in opened.text

        answer = await mia.client.post("/admin/invitation/acceptance", data={"token": token}, headers=headers)

        assert path_of(answer) == "/admin/sites/other"
        home = said(await mia.client.get("/admin"))
        assert "studio · staff" in home
        assert "other · staff" in home


async def test_who_signs_in_elsewhere_accepts_with_the_password_they_have(house: House, owner: Desk) -> None:
    await house.found("other")
    await hire(house, "other")
    async with desk_of_staff(owner), desk_in(house, "other") as elsewhere, browser(house) as mia:
        token = await invited(elsewhere)
        opened = await mia.post("/admin/invitation", data={"token": token})
        assert 'autocomplete="current-password"' in opened.text

        assert "E-mail or password is not right." in (await accept(mia, token, "nine loud herons")).text
        assert path_of(await accept(mia, token)) == "/admin/sites/other"


async def test_passwords_cannot_be_tried_for_ever(house: House, owner: Desk) -> None:
    await house.found("other")
    await hire(house, "other")
    async with desk_of_staff(owner), desk_in(house, "other") as elsewhere, browser(house) as mia:
        token = await invited(elsewhere)
        for _ in range(5):
            await accept(mia, token, "nine loud herons")

        assert (await accept(mia, token)).status_code == 429


async def test_a_form_from_another_page_accepts_nothing(house: House, owner: Desk) -> None:
    token = await invited(owner)
    async with browser(house) as mia:
        sent = {"token": token, "password": PASSWORD}
        for path in ("/admin/invitation", "/admin/invitation/acceptance"):
            answer = await mia.post(path, data=sent, headers={"sec-fetch-site": "cross-site"})
            assert answer.status_code == 403
        assert (await accept(mia, token)).status_code == 303


async def test_the_last_owner_can_neither_go_nor_become_staff(owner: Desk) -> None:
    for path, typed in (("/removal", {}), ("", {"role": "staff", "staff": "mia"})):
        answer = await owner.post(f"/people/{owner.operator.id}{path}", **typed)

        assert answer.status_code == 422
        assert "A site needs an owner: make somebody else one first." in answer.text
    assert (await owner.get("/people")).status_code == 200


async def test_somebody_of_another_site_is_nobody_here(house: House, owner: Desk) -> None:
    await house.found("other")
    async with desk_in(house, "other") as stranger:
        for person in (stranger.operator.id, 999_999, 2**31):
            assert (await owner.get(f"/people/{person}")).status_code == 404
            assert (await owner.post(f"/people/{person}", role="owner")).status_code == 404
            assert (await owner.post(f"/people/{person}/removal")).status_code == 404
        assert (await stranger.get("/people")).status_code == 200


async def test_an_owner_who_leaves_is_led_home(house: House, owner: Desk) -> None:
    async with desk_in(house) as ben:
        assert path_of(await ben.post(f"/people/{ben.operator.id}/removal")) == "/admin"


async def test_the_audit_log_says_who_it_was_about(house: House, owner: Desk) -> None:
    async with desk_of_staff(owner) as mia:
        await owner.post(f"/people/{mia.operator.id}", role="owner")
        await owner.post(f"/people/{mia.operator.id}/removal")

    log = said(await owner.get("/audit-log"))
    assert "role: staff → owner" in log
    assert "staff: Mia Lind → nothing" in log
    assert log.count(f"person: {MIAS}") == 2
    assert await deeds(owner) == [
        Deed.PERSON_INVITED,
        Deed.INVITATION_ACCEPTED,
        Deed.ROLE_CHANGED,
        Deed.ACCESS_TAKEN_AWAY,
    ]


async def test_a_link_from_the_server_sets_a_new_password_for_who_has_several_sites(house: House, owner: Desk) -> None:
    people, site = house.parts.use_cases.people, await house.site()
    async with desk_of_staff(owner) as mia, browser(house) as new:
        token = await people.password_token(site, MIAS)
        opened = await new.post("/admin/invitation", data={"token": token})
        assert "A new password" in opened.text

        assert (await accept(new, token, "nine loud herons")).status_code == 303

        assert (await new.get(owner.path("/diary"))).status_code == 200
        assert (await mia.get("/diary")).status_code == 303, "signed out"
        assert MIAS in (await owner.get("/people")).text


async def test_an_owner_makes_another_site(house: House, owner: Desk) -> None:
    form = await owner.client.get("/admin/new-site")
    typed = fields_of(form) | {"name": "Café am Eck", "zone": "europe/paris", "currency": "CHF", "locale": "de-CH"}

    answer = await send(owner, typed)

    assert path_of(answer) == "/admin/sites/cafe-am-eck/start"
    site = await house.site("cafe-am-eck")
    assert (site.name, site.zone.key, site.currency, site.locale) == ("Café am Eck", "Europe/Paris", "CHF", "de-CH")
    assert (await owner.client.get("/admin/sites/cafe-am-eck/bookings")).status_code == 200
    assert 'href="/admin/sites/cafe-am-eck"' in (await owner.get("")).text
    again = await send(owner, typed)
    assert again.status_code == 422
    assert "There is a site with the key “cafe-am-eck” already" in again.text
    assert fields_of(again) == typed | {"key": "cafe-am-eck"}
    assert path_of(await send(owner, typed | {"key": "eck-2"})) == "/admin/sites/eck-2/start"


@pytest.mark.parametrize(
    "typed", [{"name": " "}, {"name": "x" * 201}, {"zone": "Mars"}, {"currency": "XYZ"}, {"locale": "??"}, {"key": "Ä"}]
)
async def test_mistakes_about_a_new_site_keep_what_was_typed(owner: Desk, typed: dict[str, str]) -> None:
    form = fields_of(await owner.client.get("/admin/new-site")) | {"name": "Garden"} | typed

    answer = await send(owner, form)

    assert answer.status_code == 422
    (field,) = typed
    assert f'id="{field}-error"' in answer.text
    assert fields_of(answer)["zone"] == form["zone"]


async def send(desk: Desk, fields: dict[str, str]) -> Answer:
    return await desk.client.post("/admin/new-site", data=fields, headers={"sec-fetch-site": "same-origin"})


async def test_invitations_are_the_same_by_call(house: House, owner: Desk) -> None:
    token = await invitation_for(owner)
    async with browser(house) as mia:
        assert (await accept(mia, token)).status_code == 303
