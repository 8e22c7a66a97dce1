import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.use_cases.office import ANNA, NOW, PASSWORD
from tests.web.rooms import Rooms, fields_of, open_rooms, path_of
from widget_server.assets import find
from widget_server.domain.audit_log import Deed
from widget_server.domain.money import Money
from widget_server.domain.schedule import Place, Service, ServiceKind
from widget_server.domain.sites import Site
from widget_server.messages.words import LANGUAGES
from widget_server.store.audit_log import AuditLog
from widget_server.store.schedule import put_service

pytestmark = pytest.mark.anyio

SETTINGS = "/admin/sites/studio/settings"


@pytest.fixture
async def rooms(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Rooms]:
    async with open_rooms(tmp_path, sqlite_template) as rooms:
        await rooms.office.hire(await rooms.office.found("studio"))
        await rooms.post("/admin/sign-in", {"email": ANNA, "password": PASSWORD})
        yield rooms


async def site_of(rooms: Rooms) -> Site:
    site = await rooms.office.stored.by_key("studio")
    assert site is not None
    return site


async def test_the_form_shows_what_is_set(rooms: Rooms) -> None:
    fields = fields_of(await rooms.get(SETTINGS))

    assert (
        fields
        | {
            "name": "The studio",
            "zone": "Europe/Berlin",
            "currency": "EUR",
            "locale": "en",
            "theme": "auto",
            "accent": "#2f6f5e",
            "holds_on": "on",
            "hold_minutes": "10",
            "origins": "",
        }
        == fields
    )


async def test_everything_can_be_changed_at_once(rooms: Rooms) -> None:
    fields = fields_of(await rooms.get(SETTINGS)) | {
        "name": " The  <b>garden</b> ",
        "zone": "america/new york",
        "currency": "USD",
        "locale": "en-US",
        "theme": "dark",
        "accent": "2F6F5E",
        "hold_minutes": "60",
        "origins": "https://WWW.Example.org/\r\n\r\nhttp://127.0.0.1:8000\r\nhttps://www.example.org:443",
    }
    del fields["holds_on"]

    answer = await rooms.post(SETTINGS, fields)

    site = await site_of(rooms)
    assert path_of(answer) == f"{SETTINGS}?saved=zone%2Ccurrency"
    assert (site.name, site.zone.key, site.currency, site.locale) == (
        "The <b>garden</b>",
        "America/New_York",
        "USD",
        "en-US",
    )
    assert (site.theme, site.accent, site.holds_on, site.hold_minutes) == ("dark", "#2f6f5e", False, 60)
    assert site.origins == ("https://www.example.org", "http://127.0.0.1:8000")
    page = (await rooms.get(path_of(answer))).text
    assert "Openings are now read on the clocks of America/New_York" in page
    assert "Prices are now in USD" in page
    assert "<b>garden" not in page


async def test_saving_twice_is_as_good_as_once(rooms: Rooms) -> None:
    fields = fields_of(await rooms.get(SETTINGS)) | {"hold_minutes": "5"}
    await rooms.post(SETTINGS, fields)
    again = fields_of(await rooms.get(SETTINGS))

    answer = await rooms.post(SETTINGS, again)

    assert path_of(answer) == f"{SETTINGS}?saved=1"
    assert (await site_of(rooms)).schedule_version == 2


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("name", "  ", "Give your site a name."),
        ("name", "x" * 201, "at most 200 characters"),
        ("zone", "Europe/Atlantis", "There is no such time zone."),
        ("zone", "../../etc/passwd", "There is no such time zone."),
        ("zone", "", "There is no such time zone."),
        ("currency", "XXX", "Choose one from the list."),
        ("locale", "tlh", "Choose one from the list."),
        ("theme", "pink", "Choose one from the list."),
        ("accent", "red", "Use a colour such as"),
        ("accent", "#12345", "Use a colour such as"),
        ("hold_minutes", "0", "from 1 to 60"),
        ("hold_minutes", "61", "from 1 to 60"),
        ("hold_minutes", "ten", "from 1 to 60"),
        ("hold_minutes", "1.5", "from 1 to 60"),
        ("hold_minutes", "", "from 1 to 60"),
        ("origins", "example.org", "Begin with https://"),
        ("origins", "https://example.org/page", "Leave out what follows the host: https://example.org"),
        ("origins", "\n".join(f"https://{n}.example.org" for n in range(51)), "At most 50"),
    ],
)
async def test_a_mistake_stands_beside_its_field_and_nothing_typed_is_lost(
    rooms: Rooms, field: str, typed: str, told: str
) -> None:
    before = await site_of(rooms)
    fields = fields_of(await rooms.get(SETTINGS)) | {"name": "A new name", "accent": "#112233", field: typed}

    answer = await rooms.post(SETTINGS, fields)

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert told in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert 'role="alert"' in answer.text
    shown = fields_of(answer) if field not in ("currency", "locale", "theme") else fields | {field: typed}
    assert shown == fields
    assert await site_of(rooms) == before


async def test_only_the_lines_that_are_wrong_are_named(rooms: Rooms) -> None:
    origins = "https://www.example.org\nexample.com\nhttp://shop.example.org"
    answer = await rooms.post(SETTINGS, fields_of(await rooms.get(SETTINGS)) | {"origins": origins})

    assert "2 lines are not right." in answer.text
    assert "“example.com”: Begin with https://" in answer.text
    assert "“http://shop.example.org”: Use https://shop.example.org" in answer.text


async def test_settings_that_somebody_else_saved_meanwhile_are_not_overwritten_unseen(rooms: Rooms) -> None:
    fields = fields_of(await rooms.get(SETTINGS)) | {"name": "Anna's name"}
    await rooms.post(SETTINGS, fields_of(await rooms.get(SETTINGS)) | {"name": "Ben's name"})

    answer = await rooms.post(SETTINGS, fields)

    assert answer.status_code == 422
    assert "Somebody saved other settings meanwhile." in answer.text
    assert fields_of(answer)["name"] == "Anna's name"
    assert path_of(await rooms.post(SETTINGS, fields_of(answer))) == f"{SETTINGS}?saved=1"
    assert (await site_of(rooms)).name == "Anna's name"


async def test_a_setting_that_is_in_no_list_is_not_lost_by_saving(rooms: Rooms) -> None:
    site = await rooms.office.sites.create(key="far", name="Far", zone="Etc/GMT+3", currency="XAU", locale="tlh")
    session = await rooms.office.hire(site, "ben@example.org")
    rooms.client.cookies.clear()
    rooms.client.cookies.set("tenuto", session)

    path = "/admin/sites/far/settings"
    await rooms.post(path, fields_of(await rooms.get(path)) | {"hold_minutes": "7"})

    assert await rooms.office.again(site) == replace(site, hold_minutes=7, schedule_version=2)


async def test_only_languages_that_the_widget_speaks_are_offered(rooms: Rooms) -> None:
    page = (await rooms.get(SETTINGS)).text
    offered = re.findall(r'value="([^"]+)"', page.split('name="locale"')[1].split("</select>")[0])

    spoken = {file.stem for file in (find("widget_static") / "locales").iterdir()}
    assert {locale.partition("-")[0] for locale in offered} == spoken == set(LANGUAGES)
    assert {"en", "en-GB", "en-US", "de", "de-DE", "de-AT", "de-CH"} <= set(offered)


async def test_the_currency_warns_only_where_something_has_a_price(rooms: Rooms) -> None:
    assert "nothing is converted" not in (await rooms.get(SETTINGS)).text
    site = await site_of(rooms)
    yoga = Service("yoga", "Yoga", ServiceKind.CLASS, Place.IN_PERSON, "", 60, 12, 6, Money(1500, "EUR"), "")

    async def write(session: AsyncSession) -> None:
        await put_service(session, site.id, yoga, at=NOW)

    await rooms.office.scheduling.change(site, write)

    assert "1 service has a price, and nothing is converted" in (await rooms.get(SETTINGS)).text


async def test_the_snippet_names_the_public_url_and_the_site(rooms: Rooms) -> None:
    page = (await rooms.get(SETTINGS)).text

    assert "&lt;script src=&#34;http://localhost:8000/embed.js&#34; async&gt;" in page
    assert "&lt;tenuto-booking site=&#34;studio&#34;&gt;" in page


async def test_the_preview_is_the_real_widget(rooms: Rooms) -> None:
    page = (await rooms.get(SETTINGS)).text

    assert '<iframe src="/w/studio?host=http%3A%2F%2Flocalhost%3A8000&amp;theme=auto&amp;lang=en"' in page


async def test_nobody_sees_or_saves_the_settings_of_another_site(rooms: Rooms) -> None:
    garden = await rooms.office.found("garden")
    path = "/admin/sites/garden/settings"

    assert (await rooms.get(path)).status_code == 404
    assert (await rooms.post(path, fields_of(await rooms.get(SETTINGS)))).status_code == 404
    assert await rooms.office.again(garden) == garden


async def test_without_redis_nothing_is_saved_and_the_page_says_so(rooms: Rooms) -> None:
    fields = fields_of(await rooms.get(SETTINGS)) | {"hold_minutes": "5"}
    rooms.office.gate.is_gone = True

    answer = await rooms.post(SETTINGS, fields)

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert (await site_of(rooms)).hold_minutes == 10


async def test_what_was_changed_is_in_the_audit_log_as_it_was_and_as_it_is(rooms: Rooms) -> None:
    fields = fields_of(await rooms.get(SETTINGS)) | {"theme": "dark", "hold_minutes": "15"}
    await rooms.post(SETTINGS, fields)
    await rooms.post(SETTINGS, fields_of(await rooms.get(SETTINGS)))

    (entry,) = await AuditLog(rooms.office.database).entries((await site_of(rooms)).id, limit=9)
    assert (entry.deed, entry.operator) == (Deed.SETTINGS_CHANGED, ANNA)
    assert entry.detail == {"theme": ["auto", "dark"], "hold_minutes": [10, 15]}
