"""Where an address of customers leads nowhere, or something has failed, the page says so in their language."""

import pytest
from httpx2 import Response as Answer

from tests.house import SITE, House, refused
from tests.web.test_answers import assert_closed, page_that_says
from widget_server.errors import Unavailable
from widget_server.use_cases.catalog import Catalog
from widget_server.web.languages import _liked

pytestmark = pytest.mark.anyio

ORDER = f"/o/{SITE}/5fJx0Vb3TbWv0HhQ5w9k2A"
NOTHING = {
    "en": "There is nothing here",
    "de": "Hier ist nichts",
    "es": "Aquí no hay nada",
    "fr": "Il n\u2019y a rien ici",
    "ar": "لا يوجد شيء هنا",
}


def says_nothing_in(language: str, answer: Answer, status: int = 404) -> None:
    page_that_says(answer, status, f"<h1>{NOTHING[language]}</h1>")
    direction = "rtl" if language == "ar" else "ltr"
    assert f'<html lang="{language}" dir="{direction}"' in answer.text
    assert "<script" not in answer.text


@pytest.mark.parametrize("language", NOTHING)
async def test_where_no_site_is_known_the_browser_says_which_language(house: House, language: str) -> None:
    for path in ("/my", "/o", "/w/nobody", "/my/nobody", "/o/nobody/x/receipt", "/my/%00", "/o//x"):
        says_nothing_in(language, await house.client.get(path, headers={"accept-language": f"{language};q=0.7,it"}))


async def test_below_a_site_it_is_the_language_of_its_own_pages(house: House) -> None:
    await house.change_settings(locale="fr", theme="dark")
    german = {"accept-language": "de"}

    for path in (f"/my/{SITE}/nowhere", f"/o/{SITE}", f"{ORDER}/nowhere", f"/w/{SITE}/nowhere"):
        answer = await house.client.get(path, headers=german)
        says_nothing_in("fr", answer)
        assert 'data-theme="dark"' in answer.text
        assert f'<a href="/my/{SITE}?lang=fr">Toutes vos réservations chez The studio</a>' in answer.text
    arabic = await house.client.get(f"/my/{SITE}/nowhere?lang=ar-EG")
    assert "كل حجوزاتك لدى \u2068The studio\u2069</a>" in arabic.text, "the name turns nothing around it"
    for path in (f"/my/{SITE}/nowhere", "/my/nobody"):
        says_nothing_in("es", await house.client.get(f"{path}?lang=es", headers=german))


async def test_what_is_sent_to_a_page_is_refused_in_its_language(house: House) -> None:
    await house.change_settings(locale="de")

    answer = await house.client.post(ORDER, data={"a": "b"})

    says_nothing_in("de", answer, 405)
    assert answer.headers["allow"] == "GET, HEAD"
    assert "An diese Adresse lässt sich nichts senden." in answer.text


async def test_a_fault_of_ours_is_told_in_the_language_of_the_site(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise AssertionError("secret inner workings")

    await house.change_settings(locale="ar")
    await house.client.get(f"/my/{SITE}")
    monkeypatch.setattr(Catalog, "find", broken)

    answer = await house.client.get(f"/my/{SITE}")

    page_that_says(answer, 500, "حدث خطأ من جانبنا.")
    assert '<html lang="ar" dir="rtl"' in answer.text
    assert "secret" not in answer.text


async def test_without_a_database_nobody_waits_for_it_twice(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def away(_: Catalog, site_key: str) -> None:
        asked.append(site_key)
        raise Unavailable("The database is not there just now.")

    monkeypatch.setattr(Catalog, "find", away)
    house.parts.use_cases.catalog.forget_all()

    answer = await house.client.get(ORDER, headers={"accept-language": "fr-CA"})

    page_that_says(answer, 503, "<h1>Un instant, s\u2019il vous plaît</h1>")
    assert answer.headers["retry-after"] == "2"
    assert '<html lang="fr-CA" dir="ltr"' in answer.text
    assert asked == [SITE]


async def test_machines_and_operators_are_told_as_before(house: House) -> None:
    arabic = {"accept-language": "ar"}

    refused(await house.client.get("/v1/sites/nobody/services", headers=arabic), 404, "not_found")
    operators = await house.client.get("/admin/nowhere", headers=arabic)
    page_that_says(operators, 404, "Nothing is at this address")
    assert_closed(operators)


@pytest.mark.parametrize(
    ("header", "liked"),
    [
        ("fr-CA, fr;q=0.9, en;q=0.8", ["fr-CA", "fr", "en"]),
        ("en;q=0.2,de;q=1.0,ar", ["de", "ar", "en"]),
        ("de;q=0, es", ["es"]),
        ("*", []),
        ("", []),
        ('de"><script>, fr;q=nan, en;q=-1, es;q=1e400, ar;q=0.5;x, \xff', []),
        (",;,=,", []),
        ("x" * 60_000 + ",de", ["de"]),
        ("it," * 100 + "de", ["it"] * 20),
    ],
)
def test_of_languages_the_best_liked_comes_first_and_what_makes_no_sense_is_left_out(
    header: str, liked: list[str]
) -> None:
    assert list(_liked(header)) == liked
