from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.use_cases.office import ANNA, PASSWORD
from tests.web.rooms import Rooms, fields_of, open_rooms, path_of
from widget_server.web.forms import FORM_BYTES_MAX, KEPT_BYTES_MAX

pytestmark = pytest.mark.anyio

SETTINGS = "/admin/sites/studio/settings"
RIGHT = {"email": ANNA, "password": PASSWORD}


@pytest.fixture
async def rooms(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Rooms]:
    async with open_rooms(tmp_path, sqlite_template) as rooms:
        site = await rooms.office.found("studio")
        await rooms.office.hire(site)
        yield rooms


async def test_the_first_run_link_leads_to_the_settings(rooms: Rooms) -> None:
    token = await rooms.office.sites.first_run_token(await rooms.office.found("garden"))

    for _ in range(2):
        assert (await rooms.get("/admin/setup")).status_code == 200, "looking uses nothing up"
    answer = await rooms.post("/admin/setup", {"token": token, "email": "ben@example.org", "password": PASSWORD})

    assert path_of(answer) == "/admin"
    assert path_of(await rooms.get("/admin")) == "/admin/sites/garden"
    assert (await rooms.get("/admin/sites/garden/settings")).status_code == 200


async def test_mistakes_in_the_first_run_form_keep_what_was_typed_but_never_the_password(rooms: Rooms) -> None:
    token = await rooms.office.sites.first_run_token(await rooms.office.found("garden"))

    answer = await rooms.post("/admin/setup", {"token": token, "email": "ben@example.org", "password": "too short"})

    assert answer.status_code == 422
    assert "Use at least 10 characters." in answer.text
    assert 'aria-describedby="password-hint password-error"' in answer.text
    assert fields_of(answer) | {"token": token, "email": "ben@example.org", "password": ""} == fields_of(answer)
    assert "too short" not in answer.text


async def test_an_address_that_signs_in_to_another_site_is_refused(rooms: Rooms) -> None:
    token = await rooms.office.sites.first_run_token(await rooms.office.found("garden"))

    answer = await rooms.post("/admin/setup", {"token": token, **RIGHT, "password": "nine loud herons"})

    assert answer.status_code == 422
    assert 'id="email-error"' in answer.text
    assert path_of(await rooms.post("/admin/setup", {"token": token, **RIGHT})) == "/admin", "with the one she has"
    home = await rooms.get("/admin")
    assert "/admin/sites/garden" in home.text
    assert "/admin/sites/studio" in home.text


async def test_a_used_first_run_link_says_so(rooms: Rooms) -> None:
    answer = await rooms.post("/admin/setup", {"token": "x" * 22, **RIGHT})

    assert answer.status_code == 422
    assert "This link was used already, or is too old." in answer.text


async def test_signing_in_leads_to_the_page_that_was_asked_for(rooms: Rooms) -> None:
    door = path_of(await rooms.get(SETTINGS))
    wanted = fields_of(await rooms.get(door))["next"]

    answer = await rooms.post("/admin/sign-in", {**RIGHT, "next": wanted})

    assert path_of(answer) == SETTINGS
    assert (await rooms.get(SETTINGS)).status_code == 200


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/admin/..//evil",
        "/administrator",
        "javascript:1",
        "",
    ],
)
async def test_signing_in_never_leads_out_of_the_admin_pages(rooms: Rooms, wanted: str) -> None:
    answer = await rooms.post("/admin/sign-in", {**RIGHT, "next": wanted})

    assert path_of(answer) == "/admin"


async def test_a_wrong_password_keeps_the_address_and_where_to_go(rooms: Rooms) -> None:
    answer = await rooms.post("/admin/sign-in", {"email": ANNA, "password": "wrong password", "next": SETTINGS})

    assert answer.status_code == 422
    assert "E-mail or password is not right." in answer.text
    assert fields_of(answer)["email"] == ANNA
    assert fields_of(answer)["next"] == SETTINGS
    assert "set-cookie" not in answer.headers


async def test_too_many_tries_are_told_to_wait(rooms: Rooms) -> None:
    for _ in range(5):
        await rooms.post("/admin/sign-in", {"email": ANNA, "password": "wrong password"})

    answer = await rooms.post("/admin/sign-in", RIGHT)

    assert answer.status_code == 429
    assert "Too many tries. Wait 15 minutes and try again." in answer.text


async def test_the_cookie_is_for_our_pages_only_and_says_nothing(rooms: Rooms) -> None:
    answer = await rooms.post("/admin/sign-in", RIGHT)

    name, _, rest = answer.headers["set-cookie"].partition("=")
    value, *attributes = rest.split("; ")
    assert name == "tenuto"
    assert len(value) == 22
    assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=1209600"} == set(attributes) - {
        attribute for attribute in attributes if attribute.startswith("expires=")
    }


async def test_on_https_the_cookie_is_bound_to_this_very_host(tmp_path: Path, sqlite_template: Path) -> None:
    async with open_rooms(tmp_path, sqlite_template, "https://book.example.org") as rooms:
        await rooms.office.hire(await rooms.office.found("studio"))

        answer = await rooms.post("/admin/sign-in", RIGHT)

        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-tenuto=")
        assert "; Secure" in cookie
        assert "Domain" not in cookie
        assert (await rooms.get(SETTINGS)).status_code == 200


async def test_signing_out_revokes_the_session_and_not_only_the_cookie(rooms: Rooms) -> None:
    await rooms.post("/admin/sign-in", RIGHT)
    session = rooms.client.cookies["tenuto"]
    token = await rooms.form_token(SETTINGS)

    answer = await rooms.post("/admin/sign-out", {"form_token": token})

    assert path_of(answer) == "/admin/sign-in?left=1"
    assert "tenuto" not in rooms.client.cookies
    rooms.client.cookies.set("tenuto", session)
    assert path_of(await rooms.get("/admin")) == "/admin/sign-in"


async def test_signing_in_ends_the_session_that_was_there(rooms: Rooms) -> None:
    await rooms.post("/admin/sign-in", RIGHT)
    before = rooms.client.cookies["tenuto"]

    await rooms.post("/admin/sign-in", RIGHT)

    assert await rooms.office.sites.signed_in(before) is None
    assert await rooms.office.sites.signed_in(rooms.client.cookies["tenuto"]) is not None


async def test_whoever_is_signed_in_needs_no_sign_in_page(rooms: Rooms) -> None:
    await rooms.post("/admin/sign-in", RIGHT)

    assert path_of(await rooms.get(f"/admin/sign-in?next={SETTINGS}")) == SETTINGS


async def test_a_session_in_use_is_remembered_for_longer(rooms: Rooms) -> None:
    await rooms.post("/admin/sign-in", RIGHT)
    assert "set-cookie" not in (await rooms.get(SETTINGS)).headers

    rooms.office.clock.advance(timedelta(days=1))

    assert "Max-Age=1209600" in (await rooms.get(SETTINGS)).headers["set-cookie"]


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "cross-site", "origin": "http://localhost:8000"},
    ],
)
@pytest.mark.parametrize("path", ["/admin/sign-in", "/admin/setup", "/admin/sign-out", "/admin/password", SETTINGS])
async def test_no_form_is_taken_from_another_site(rooms: Rooms, path: str, headers: dict[str, str]) -> None:
    rooms.client.cookies.set("tenuto", await rooms.office.sites.sign_in(**RIGHT, network="home"))
    fields = {**RIGHT, "form_token": await rooms.form_token(SETTINGS)}

    answer = await rooms.post(path, fields, **headers)

    assert answer.status_code == 403
    assert "came from somewhere else" in answer.text


@pytest.mark.parametrize(
    ("origin", "status"), [("http://localhost:8000", 303), ("http://evil.example", 403), ("null", 403), ("", 403)]
)
async def test_browsers_that_only_send_an_origin_are_judged_by_it(rooms: Rooms, origin: str, status: int) -> None:
    answer = await rooms.client.post("/admin/sign-in", data=RIGHT, headers={"origin": origin} if origin else {})

    assert answer.status_code == status


@pytest.mark.parametrize("path", ["/admin/sign-out", "/admin/password", SETTINGS])
async def test_a_form_needs_the_token_of_its_own_session(rooms: Rooms, path: str) -> None:
    rooms.client.cookies.set("tenuto", await rooms.office.sites.sign_in(**RIGHT, network="home"))
    of_another = await rooms.form_token(SETTINGS)
    rooms.client.cookies.set("tenuto", await rooms.office.sites.sign_in(**RIGHT, network="home"))

    for token in (of_another, "", "é"):
        assert (await rooms.post(path, {"form_token": token})).status_code == 403


async def test_a_new_password_signs_out_everywhere_else(rooms: Rooms) -> None:
    elsewhere = await rooms.office.sites.sign_in(**RIGHT, network="home")
    await rooms.post("/admin/sign-in", RIGHT)
    form = {
        "form_token": await rooms.form_token("/admin/password"),
        "current": PASSWORD,
        "password": "nine loud herons",
    }

    answer = await rooms.post("/admin/password", form)

    assert path_of(answer) == "/admin/password?saved=1"
    assert "Your password is changed." in (await rooms.get("/admin/password?saved=1")).text
    assert await rooms.office.sites.signed_in(elsewhere) is None


@pytest.mark.parametrize(
    ("current", "password", "told"),
    [("wrong password", "nine loud herons", "not your current password"), (PASSWORD, "short", "at least 10")],
)
async def test_mistakes_with_a_new_password_stand_beside_their_field(
    rooms: Rooms, current: str, password: str, told: str
) -> None:
    await rooms.post("/admin/sign-in", RIGHT)
    token = await rooms.form_token("/admin/password")

    answer = await rooms.post("/admin/password", {"form_token": token, "current": current, "password": password})

    assert answer.status_code == 422
    assert told in answer.text


@pytest.mark.parametrize(
    "path", ["/admin/sign-in", "/admin/setup", "/admin/password", SETTINGS, "/admin/sites/x/settings"]
)
async def test_no_page_is_kept_or_framed(rooms: Rooms, path: str) -> None:
    rooms.client.cookies.set("tenuto", await rooms.office.sites.sign_in(**RIGHT, network="home"))

    answer = await rooms.get(path)

    assert answer.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "style=" not in answer.text


async def test_a_form_that_is_too_large_is_refused(rooms: Rooms) -> None:
    for path, most in (("/admin/setup", FORM_BYTES_MAX), ("/admin/sign-in", KEPT_BYTES_MAX)):
        answer = await rooms.post(path, {"email": "a" * most, "password": PASSWORD})

        assert answer.status_code == 413
