"""What the pages of visitors and customers begin with: their language, its direction, and what they may promise."""

import pytest

from tests.house import SITE, House
from widget_server.assets import find
from widget_server.messages.words import LANGUAGES, Words, words_for
from widget_server.web.languages import RIGHT_TO_LEFT

pytestmark = pytest.mark.anyio

PAGES = (f"/w/{SITE}", f"/my/{SITE}", f"/o/{SITE}/5fJx0Vb3TbWv0HhQ5w9k2A")


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_in_arabic_runs_from_right_to_left_from_the_first_moment(house: House, path: str) -> None:
    arabic, german = [(await house.client.get(f"{path}?lang={lang}")).text for lang in ("ar-EG", "de")]
    sites_own = (await house.client.get(path)).text

    assert '<html lang="ar-EG" dir="rtl"' in arabic
    assert '<noscript><p class="notice">تحتاج هذه الصفحة' in arabic
    assert '<html lang="de" dir="ltr"' in german
    assert '<html lang="en" dir="ltr"' in sites_own


async def test_what_is_no_language_stays_text_and_one_that_is_not_spoken_gives_way_to_the_site_s(house: House) -> None:
    await house.change_settings(locale="ar-EG")
    strange, italian = [(await house.client.get(f"/my/{SITE}?lang={lang}")).text for lang in ('de-"><script>', "it")]

    assert '<html lang="de-&#34;&gt;&lt;script&gt;" dir="ltr"' in strange
    assert '<html lang="ar-EG" dir="rtl"' in italian


def test_mails_speak_what_the_widget_speaks_and_run_the_same_way() -> None:
    spoken = {file.stem for file in (find("widget_static") / "locales").iterdir()}

    assert spoken == set(LANGUAGES)
    words: list[Words] = [words_for(language) for language in LANGUAGES]
    assert {one.code for one in words if one.direction == "rtl"} == set(RIGHT_TO_LEFT)


async def test_a_mail_is_promised_only_where_there_is_a_mail_server(house: House) -> None:
    services = f"/v1/sites/{SITE}/services"
    without = (await house.client.get(services)).json()["site"]["mails"]

    house.parts.use_cases.messages.has_mail_server = True

    assert without is False
    assert (await house.client.get(services)).json()["site"]["mails"] is True
    assert '"mails": true' in (await house.client.get(f"/w/{SITE}")).text
