"""What a form said comes back to whoever sent it, wherever its own page cannot show it: from every form there is."""

import re
from collections.abc import AsyncIterator
from contextlib import contextmanager, nullcontext
from html import unescape
from typing import Any, NoReturn

import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
from httpx2 import Response as Answer
from starlette.requests import Request
from starlette.routing import Route

from tests.house import House, slot
from tests.web.desks import Desk, desk_in
from tests.web.rooms import fields_of, path_of
from tests.web.test_admin_phone import fields_of_post
from widget_server.errors import Unavailable
from widget_server.ids import new_id
from widget_server.store.database import Database
from widget_server.store.operators import Operators
from widget_server.use_cases import sites
from widget_server.web.admin import keeping, routes
from widget_server.web.forms import FORM_BYTES_MAX, KEPT_BYTES_MAX, Form, form_token

pytestmark = pytest.mark.anyio

PASSWORD = "six quiet herons"
OWN, OTHER = {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "cross-site"}
TYPED = {"reason": "The heating\nis broken.", "name": 'Anna "Pi" <Berg>', "for_ever": "on"}
SECRETS = {"password": "quiet heron 1", "current": "quiet heron 2", "live_secret_key": "quiet heron 3"}
FORMS = [route for route in routes if isinstance(route, Route) and "POST" in (route.methods or ())]
TOO_MUCH = "What you sent has more than 2 MB, so this page cannot give it back to you."
OPEN = {"/admin/sign-in", "/admin/setup", "/admin/invitation", "/admin/invitation/acceptance"}
"""For those who are not signed in: no session has to be there."""
GUARDED = [route for route in FORMS if route.path not in OPEN]
PARTS = {"site": "studio", "hold": new_id(), "slot": slot().id, "service": "yoga", "mode": "live"}


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with desk_in(house) as desk:
        yield desk


@contextmanager
def no_database() -> Any:
    """For whole requests, from the question whose session it is on."""

    def away(*_: object) -> NoReturn:
        raise Unavailable("The database is not there just now. Please try again.")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Database, "transaction", away)
        patched.setattr(Database, "snapshot", away)
        yield


def address_of(route: Route) -> str:
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: PARTS.get(found[1], "1"), route.path)


async def post(desk: Desk, path: str, fields: dict[str, str], headers: dict[str, str] = OWN) -> Answer:
    return await desk.client.post(path, data=fields, headers=headers)


def action_of(answer: Answer) -> str:
    found = re.search(r'<form method="post" action="([^"]+)"', answer.text)
    assert found is not None, answer.text
    return found[1]


async def test_every_form_comes_back_while_the_database_is_away(desk: Desk) -> None:
    sent = TYPED | SECRETS | {"form_token": form_token(desk.session)}
    with no_database():
        for route in FORMS:
            path = address_of(route)
            answer = await post(desk, f"{path}?week=2030-01-07", sent)

            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2"), path
            assert "All else you typed is still here." in answer.text
            assert ">Send again</button>" in answer.text
            assert action_of(answer) == f"{path}?week=2030-01-07"
            given = fields_of(answer)
            assert {**sent, **dict.fromkeys(SECRETS, "")} == given, "secrets are to be typed once more"
            assert "quiet heron" not in answer.text
    assert len(FORMS) > 40


async def test_every_form_waits_for_whoever_signs_in_again(desk: Desk) -> None:
    await desk.house.parts.use_cases.sites.sign_out(desk.session)
    for route in GUARDED:
        answer = await post(desk, address_of(route), TYPED | SECRETS | {"form_token": form_token(desk.session)})

        assert answer.status_code == 401, route.path
        assert action_of(answer) == "/admin/sign-in"
        kept = keeping.Kept.model_validate_json(fields_of(answer)["kept"])
        assert (kept.to, kept.texts, kept.secrets) == (address_of(route), TYPED, tuple(SECRETS))
        assert "quiet heron" not in answer.text


async def test_every_form_of_the_session_before_is_shown_before_it_is_sent(desk: Desk) -> None:
    for route in GUARDED:
        answer = await post(desk, address_of(route), TYPED | SECRETS | {"form_token": form_token(new_id())})

        assert answer.status_code == 403, route.path
        assert action_of(answer) == address_of(route)
        fresh = {"form_token": form_token(desk.session)}
        assert fields_of(answer) == {**TYPED, **fresh, **dict.fromkeys(SECRETS, "")}
        assert '<dd class="written">The heating\nis broken.</dd>' in answer.text


BUTTONS = {"extension", "release", "withdrawal", "removal", "check", "sign-out", "subscription", "sending", "return"}
"""The last words of addresses at which nothing is typed."""
FREE_TEXTS = ("name", "email", "reason", "message", "description", "text", "attendees", "code", "worth", "origins")
NOTHING_TO_SHOW = {
    "/admin/password": "secrets alone",
    "/admin/sites/{site}/payments/{mode}": "secrets alone",
    "/admin/sites/{site}/people/{person:row}": "only lists to choose from",
    "/admin/sites/{site}/test-bookings/cancellation": "a button",
}


async def test_whatever_is_wrong_with_a_form_its_page_shows_what_was_typed(desk: Desk) -> None:
    marks = {name: f"<typed {name}>" for name in FREE_TEXTS}
    for route in GUARDED:
        if route.path.rpartition("/")[2] in BUTTONS or route.path in NOTHING_TO_SHOW:
            continue
        answer = await post(desk, address_of(route), marks | {"form_token": form_token(desk.session)})

        assert 400 <= answer.status_code < 500, (route.path, answer.text)
        shown = unescape(answer.text)
        expected = [mark for name, mark in marks.items() if f'name="{name}"' in answer.text or "to copy" in shown]
        assert expected, route.path
        assert all(mark in shown for mark in expected), route.path


async def test_nothing_from_another_site_is_given_back(desk: Desk) -> None:
    fields = TYPED | {"form_token": form_token(desk.session)}

    async def answers() -> list[Answer]:
        return [await post(desk, address_of(route), fields, OTHER) for route in FORMS]

    found = await answers()
    with no_database():
        found += await answers()
    await desk.house.parts.use_cases.sites.sign_out(desk.session)
    found += await answers()

    for answer in found:
        assert "heating" not in answer.text
        assert "herons" not in answer.text
        assert "<form" not in answer.text
        assert answer.status_code in (303, 403, 503)


async def test_what_is_not_there_any_more_leaves_what_was_typed_to_copy(desk: Desk) -> None:
    answer = await desk.post("/blackouts/77", **TYPED)

    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
    assert '<dd class="written">The heating\nis broken.</dd>' in answer.text
    assert "<form" not in answer.text
    assert "What you typed" not in (await desk.post("/blackouts/77")).text


async def test_after_a_fault_of_ours_the_form_is_there(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(desk.house.parts.use_cases.people, "invite", broken)

    answer = await desk.post("/people", email="mia@example.org", role="owner")

    assert answer.status_code == 500
    assert "Something went wrong on our side." in answer.text
    assert fields_of(answer) == {"email": "mia@example.org", "role": "owner", "form_token": form_token(desk.session)}


async def test_a_file_is_chosen_once_more(desk: Desk) -> None:
    path, fields = desk.path("/services/yoga/import"), {"text": "day,starts\n", "form_token": form_token(desk.session)}
    with no_database():
        answer = await desk.client.post(path, data=fields, files={"file": ("a.csv", b"a file")}, headers=OWN)

    assert answer.status_code == 503
    assert 'enctype="multipart/form-data"' in answer.text
    assert 'name="file" type="file"' in answer.text
    assert fields_of(answer)["text"] == "day,starts\n"
    assert "a file" not in answer.text


@pytest.mark.parametrize("is_signed_in", [True, False])
async def test_no_network_has_more_forms_given_back_than_its_share(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, is_signed_in: bool
) -> None:
    monkeypatch.setattr(sites, "GIVEN_BACK_PER_NETWORK_MAX", 2)
    if not is_signed_in:
        desk.client.cookies.clear()

    with no_database() if is_signed_in else nullcontext():
        answers = [await desk.post("/people", email="mia@example.org") for _ in range(3)]
    assert ["mia@example.org" in unescape(answer.text) for answer in answers] == [True, True, False]
    assert answers[2].status_code == (503 if is_signed_in else 303)


async def test_what_a_stranger_sends_is_read_no_further_than_it_may_go_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.client.cookies.clear()
    monkeypatch.setattr(Request, "body", forbidden)
    monkeypatch.setattr(Request, "form", forbidden)
    monkeypatch.setattr(sites, "GIVEN_BACK_PER_NETWORK_MAX", 0)
    path = desk.path("/people")

    for headers in (OWN, OTHER):
        assert (await post(desk, path, {"email": "mia@example.org"}, headers)).status_code == 303
    monkeypatch.setattr(sites, "GIVEN_BACK_PER_NETWORK_MAX", 9)
    with pytest.raises(AssertionError):  # the control
        await post(desk, path, {"email": "mia@example.org"})


def forbidden(*_: object, **__: object) -> NoReturn:
    raise AssertionError("nobody asked for it")


async def test_a_sign_in_that_is_not_taken_keeps_a_long_form_however_it_is_written(desk: Desk) -> None:
    kept = keeping.Kept(to="/admin", texts={"text": '"ü' * 200_000}, secrets=(), files=()).model_dump_json()
    fields = {"email": "mia@example.org", "password": PASSWORD, "kept": kept}
    with no_database():
        parts = {name: (None, value) for name, value in fields.items()}
        first = await desk.client.post("/admin/sign-in", files=parts, headers=OWN)

    assert first.status_code == 503
    assert 'enctype="multipart/form-data"' in first.text
    assert fields_of(first)["kept"] == kept


@pytest.mark.parametrize(("letters", "is_kept"), [(1_000_000, True), (KEPT_BYTES_MAX, False)])
async def test_no_more_goes_back_and_forth_than_a_file_to_import(desk: Desk, letters: int, is_kept: bool) -> None:
    with no_database():
        answer = await post(desk, desk.path("/services/yoga/import"), {"text": "a" * letters})

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert ("a" * 1_000 in answer.text) == is_kept
    assert (TOO_MUCH in answer.text) != is_kept


async def test_whoever_sends_more_than_can_wait_for_them_to_sign_in_is_told_so(desk: Desk) -> None:
    await desk.house.parts.use_cases.sites.sign_out(desk.session)
    path = desk.path("/services/yoga/import")
    beside_a_file: dict[str, Any] = {
        "data": {"text": "day,starts"},
        "files": {"file": ("a.csv", b"a" * KEPT_BYTES_MAX)},
    }

    answers = [
        await desk.client.post(path, headers=OWN, **beside_a_file),
        await post(desk, path, {"text": '"\n' * 350_000}),  # more than 2 MB only as it is written to be kept
    ]
    for answer in answers:
        assert answer.status_code == 401
        assert "You are signed out" in answer.text
        assert TOO_MUCH in answer.text
    assert (await desk.client.post(path, headers=OTHER, **beside_a_file)).status_code == 303


async def test_a_fault_of_ours_says_what_it_cannot_give_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(desk.house.parts.use_cases.sites, "signed_in", broken)

    answer = await post(desk, desk.path("/services/yoga/import"), {"text": "a" * KEPT_BYTES_MAX})
    assert answer.status_code == 500
    assert f"Something went wrong on our side. Please try again. {TOO_MUCH}" in answer.text


@pytest.mark.parametrize(
    "charset", ["charset=utf-7", 'CHARSET="undefined"', "charset*=utf-8''idna", "charset*0=utf; charset*1=-7"]
)
async def test_a_form_in_other_letters_than_our_pages_send_is_refused(desk: Desk, charset: str) -> None:
    """As Python decodes them, some of these would fail, and `+2AA-` would be half a letter, which no page can show."""
    fields = {"form_token": form_token(desk.session), "role": "owner", "staff": "", "email": "+2AA-"}
    parts = [f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{fields[name]}\r\n' for name in fields]
    body, form = "".join([*parts, "--b--\r\n"]).encode(), "multipart/form-data; boundary=b; "
    headers = OWN | {"content-type": form + charset}

    for path in (desk.path("/people"), "/admin/sign-in"):
        answer = await desk.client.post(path, content=body, headers=headers)
        assert answer.status_code == 400
        assert "This form is not in UTF-8" in answer.text
    headers["content-type"] = f'{form}charset="UTF-8"'
    as_usual = await desk.client.post(desk.path("/people"), content=body, headers=headers)
    assert "This is not an e-mail address." in as_usual.text


async def test_more_than_a_form_may_have_is_refused_with_the_limit(desk: Desk) -> None:
    answer = await desk.post("/people", email="a" * FORM_BYTES_MAX)

    assert answer.status_code == 413
    assert "That was too much at once" in answer.text
    assert "This form may have up to 32 kB" in answer.text


async def test_a_text_that_is_far_too_long_is_refused_beside_its_field(desk: Desk) -> None:
    form = fields_of(await desk.get("/services/new")) | {"name": "Chess", "description": "a" * 100_000}

    answer = await desk.post("/services/new", **form)

    assert answer.status_code == 422
    assert form.items() <= fields_of(answer).items()


FILLED = {
    "/settings": {"name": "The old studio", "hold_minutes": "7"},
    "/services/new": {"name": "Chess", "description": "Two\nlines"},
    "/staff/new": {"name": "Pia", "w-0-starts": "08:00", "w-0-ends": "09:00"},
    "/blackouts/new": {"first_day": "2030-12-24", "reason": "Christmas"},
    "/coupons/new": {"code": "SUMMER-7K2P", "worth": "20"},
    "/people": {"email": "mia@example.org", "role": "owner"},
    "/bookings/new": {
        "day": f"{slot().starts_at:%Y-%m-%d}",
        "slot": slot().id,
        "seats": "2",
        "name": "Anna Berg",
        "attendees": "Anna\nKim",
    },
}


async def test_sent_again_it_counts_as_if_nothing_had_been(desk: Desk) -> None:
    for done, (room, typed) in enumerate(FILLED.items(), start=1):
        page = await desk.get(room)
        form = (fields_of_post(page.text) if room == "/bookings/new" else fields_of(page)) | typed
        with no_database():
            away = await post(desk, desk.path(room), form)
            still_away = await post(desk, action_of(away), fields_of(away))

        assert form.items() <= fields_of(still_away).items(), room
        assert (await post(desk, action_of(still_away), fields_of(still_away))).status_code in (200, 303), room
        assert len(await desk.entries()) == done, room


async def test_whoever_was_signed_out_signs_in_looks_and_sends(desk: Desk) -> None:
    operators = Operators(desk.house.parts.database)
    settings, site = desk.path("/settings"), await desk.house.site()
    form = fields_of(await desk.get("/settings")) | {"name": "The old studio"}
    await operators.set_password(desk.operator.id, PasswordHasher.from_parameters(CHEAPEST).hash(PASSWORD))

    door = await post(desk, settings, form)
    assert door.status_code == 401, "a new password ends all sessions"
    assert "What you typed is kept" in door.text
    desk.client.cookies.clear()  # the fixture's is of no domain, and would stand beside the new one
    typed = fields_of(door) | {"email": desk.operator.email, "password": PASSWORD}
    wrong = await post(desk, "/admin/sign-in", typed | {"password": "not this one"})
    assert fields_of(wrong)["kept"] == typed["kept"]
    shown = await post(desk, "/admin/sign-in", typed)

    assert shown.status_code == 200
    assert "nothing was sent yet" in shown.text
    assert '<dd class="written">The old studio</dd>' in shown.text
    assert await desk.house.site() == site, "nothing is sent by itself"
    session = shown.cookies["tenuto"]
    assert fields_of(shown) == form | {"form_token": form_token(session)}
    assert path_of(await post(desk, action_of(shown), fields_of(shown))).startswith(f"{settings}?saved=")
    assert (await desk.house.site()).name == "The old studio"


@pytest.mark.parametrize(
    "kept",
    [
        "{}",
        "no json",
        '{"to": "https://evil.example", "texts": {}, "secrets": [], "files": []}',
        '{"to": "//evil.example/admin", "texts": {}, "secrets": [], "files": []}',
        '{"to": "/admin/a\\nb", "texts": {}, "secrets": [], "files": []}',
        '{"to": "/admin", "texts": {"a": 1}, "secrets": [], "files": []}',
    ],
)
def test_what_we_have_not_written_is_not_kept(kept: str) -> None:
    assert keeping.kept_of(Form({"kept": kept})) is None


async def test_a_button_with_nothing_typed_leads_to_the_sign_in_page_as_any_page_does(desk: Desk) -> None:
    await desk.house.parts.use_cases.sites.sign_out(desk.session)

    assert path_of(await desk.post(f"/live/{new_id()}/extension", version="1")) == "/admin/sign-in"


async def test_without_what_keeps_them_forms_are_lost(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""

    async def nothing(_: object) -> None:
        pass

    monkeypatch.setattr(keeping, "read_to_give_back", nothing)
    with no_database():
        answer = await desk.post("/people", email="mia@example.org")

    assert (answer.status_code, "mia@" in answer.text) == (503, False)
