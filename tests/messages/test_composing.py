"""What mails say: everything, in every language, for every kind."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from zoneinfo import ZoneInfo

import pytest
from babel import Locale
from icalendar import Calendar

from widget_server.domain.messages import Facts, Kind, Role, Shown
from widget_server.domain.services import Place
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.messages.calendar_files import folded, unfolded
from widget_server.messages.colours import accent_of
from widget_server.messages.composing import READERS, compose
from widget_server.messages.words import LANGUAGES, texts_of

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
SITE = Site(1, "studio", "The studio", BERLIN, "EUR", "en-GB", "#2f6f5e", "auto", True, 10, (), "tenuto", 1, 1)
LINK = "https://book.example.org/o/studio/5fJx0Vb3TbWv0HhQ5w9k2A#Zk3fJx0Vb3TbWv0HhQ5w9A"
YOGA = Shown(
    slot=Slot("yoga", NINE, NINE + timedelta(hours=1)),
    service_name="Morning yoga",
    seats=2,
    place=Place.IN_PERSON,
    access="Elm Street 12",
    served_by=("Mia",),
    uid="5fJx0Vb3TbWv0HhQ5w9k2A.1@tenuto",
)


def facts(kind: Kind = Kind.BOOKED, role: Role = Role.CUSTOMER, *shown: Shown) -> Facts:
    return Facts(kind, role, SITE, shown or (YOGA,), LINK, "ABCD-2345", "Anna Berg", "anna@example.org")


def written(of: Facts, language: str = "en-GB", zone: ZoneInfo = BERLIN) -> tuple[str, str, str, str]:
    mail, _ = compose(of, language=language, zone=zone, at=NINE)
    return mail.subject, mail.plain, mail.html, mail.calendar or ""


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_every_language_says_all_that_the_first_one_says_with_the_same_names(language: str) -> None:
    first, texts = texts_of(LANGUAGES[0]), texts_of(language)

    assert texts.keys() == first.keys()
    for key in first:
        assert set(re.findall(r"\{\w+\}", str(texts[key]))) == set(re.findall(r"\{\w+\}", str(first[key]))), key
        assert bool(texts[key]) == bool(first[key]), key


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_no_language_has_a_sentence_in_english_left(language: str) -> None:
    first, texts = texts_of(LANGUAGES[0]), texts_of(language)
    wordless = {key for key, text in first.items() if not re.search(r"\w", re.sub(r"\{\w+\}", "", str(text)))}
    same = {"de": {"test.subject"}, "es": {"no"}}

    assert {key for key in first.keys() - wordless if texts[key] == first[key]} == same.get(language, set())
    if language == "ar":
        said = "".join(text for text in texts.values() if isinstance(text, str))
        assert not re.search(r"[A-Za-z]", re.sub(r"\{\w+\}", "", said))


@pytest.mark.parametrize("language", LANGUAGES)
def test_seats_are_counted_in_all_forms_that_a_language_has(language: str) -> None:
    forms = texts_of(language)["seats"]

    assert isinstance(forms, dict)
    assert forms.keys() == Locale(language).plural_form.tags | {"other"}


def test_a_mail_in_arabic_runs_from_right_to_left_and_names_keep_their_own_direction() -> None:
    subject, plain, html, calendar = written(facts(), "ar-EG")

    assert subject == "حجزك لدى \u2068The studio\u2069: \u2068ABCD-2345\u2069"
    assert '<html lang="ar-EG" dir="rtl">' in html
    assert '<div class="mail" role="article" lang="ar-EG" dir="rtl">' in html
    assert "(مقعدان · ساعة)" in plain
    assert "الاثنين، ٢٣ نوفمبر ٢٠٢٦، ١٠:٠٠ ص – ١١:٠٠ ص\n" in plain  # noqa: RUF001  as Arabic is written
    assert f"{LINK}\n" in plain
    assert f"{LINK}\\n" in calendar or f"{LINK}\r\n" in calendar
    assert f"{LINK}\u2069" not in plain + html + calendar
    assert 'dir="ltr"' in written(facts(), "fr")[2]


@pytest.mark.parametrize(
    ("minutes", "language", "said"),
    [
        (45, "en-GB", "45 minutes"),
        (90, "en-GB", "1 hour and 30 minutes"),
        (90, "de", "1 Stunde und 30 Minuten"),
        (180, "es", "3 horas"),
        (2880, "fr", "2 jours"),
        (90, "ar", "ساعة و30 دقيقة"),
    ],
)
def test_lengths_are_in_hours_where_that_reads_better(minutes: int, language: str, said: str) -> None:
    long = replace(YOGA, slot=YOGA.slot._replace(ends_at=NINE + timedelta(minutes=minutes)))
    _, plain, html, _ = written(facts(Kind.BOOKED, Role.CUSTOMER, long), language)

    assert f"· {said})" in plain
    assert f"· {said} ·" in html


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("kind", "role"), READERS)
def test_every_kind_is_complete_in_every_language_in_both_bodies(kind: Kind, role: Role, language: str) -> None:
    subject, plain, html, _ = written(facts(kind, role), language)

    assert subject
    assert "{" not in subject + plain
    for body in (plain, html):
        assert "Morning yoga" in body
        assert "Elm Street 12" in body
        assert "ABCD-2345" in body
        assert LINK in body or not texts_of(language)[f"{kind}.{role}.button"]
    assert {kind for kind, _ in READERS} == set(Kind)


@pytest.mark.parametrize(
    ("starts", "minutes", "told"),
    [
        ("2027-10-31T00:30", 45, "02:30 GMT+02:00 \u2013 02:15 GMT+01:00"),
        ("2027-10-31T01:00", 60, "02:00 \u2013 03:00 GMT+01:00"),
        ("2027-03-28T00:30", 60, "01:30 GMT+01:00 \u2013 03:30 GMT+02:00"),
    ],
)
def test_a_time_on_the_night_of_a_change_says_by_which_clock_it_is(starts: str, minutes: int, told: str) -> None:
    starts_at = datetime.fromisoformat(starts).replace(tzinfo=UTC)
    at_night = replace(YOGA, slot=Slot("yoga", starts_at, starts_at + timedelta(minutes=minutes)))

    _, plain, _, calendar = written(facts(Kind.BOOKED, Role.CUSTOMER, at_night))
    subject, *_ = written(facts(Kind.REMINDER, Role.CUSTOMER, at_night))
    _, abroad, _, _ = written(facts(Kind.BOOKED, Role.CUSTOMER, at_night), zone=ZoneInfo("Asia/Kolkata"))

    assert told in plain
    assert f"{told} (Central European Time)" in abroad, "neither that of summer nor that of winter all the time"
    assert re.search(r"0[12]:[03]0 GMT\+0[12]:00", subject)
    assert f"DTSTART:{starts_at:%Y%m%dT%H%M%SZ}" in calendar


def test_times_are_those_of_the_customer_and_of_the_site_where_they_differ() -> None:
    _, abroad, _, _ = written(facts(), zone=NEW_YORK)
    _, at_home, _, _ = written(facts(), zone=ZoneInfo("Europe/Paris"))

    assert "Monday, 23 November 2026, 04:00\N{EN DASH}05:00 (Eastern Standard Time)" in abroad
    assert "At The studio: Monday, 23 November 2026, 10:00\N{EN DASH}11:00 (Central European Standard Time)" in abroad
    assert "Monday, 23 November 2026, 10:00\N{EN DASH}11:00\n" in at_home
    assert "At The studio" not in at_home


@pytest.mark.parametrize(
    ("language", "said"),
    [(language, str(texts_of(language)["test"])) for language in LANGUAGES],
)
@pytest.mark.parametrize(("kind", "role"), [reader for reader in READERS if reader[0] is not Kind.MY_BOOKINGS])
def test_what_is_not_meant_says_so_to_everybody(kind: Kind, role: Role, language: str, said: str) -> None:
    subject, plain, html, calendar = written(replace(facts(kind, role), is_test=True), language)

    marked = str(texts_of(language)["test.subject"]).partition(":")[0].strip()
    assert subject.startswith(marked)
    assert said in plain
    assert said in unescape(html)
    assert not calendar or f"SUMMARY:{marked}" in calendar
    assert said not in "".join(written(facts(kind, role), language))


@pytest.mark.parametrize(("language", "said"), [("de-AT", "Montag, 23. November"), ("it", "Monday"), ("??", "Monday")])
def test_whoever_speaks_another_language_reads_the_site_s(language: str, said: str) -> None:
    assert said in written(facts(), language)[1]


def test_what_people_are_called_is_text_and_nothing_else() -> None:
    eve = replace(facts(Kind.NEW_ORDER, Role.OPERATOR), customer="<b>{site}</b>\n{0}", text="<script>")

    subject, plain, html, _ = written(eve)

    assert subject == "New order ABCD-2345 from <b>{site}</b> {0}"
    assert "<b>{site}</b>" in plain
    assert "<script>" not in html
    assert "<b>{site}" not in html


def test_a_calendar_file_says_when_where_and_how_to_get_back() -> None:
    calendar = Calendar.from_ical(folded(written(facts())[3]))
    (event,) = calendar.events

    assert calendar["method"] == "PUBLISH"
    assert (event["uid"], event["sequence"], event["status"]) == (YOGA.uid, 0, "CONFIRMED")
    assert (event.start, event.end) == (NINE, NINE + timedelta(hours=1))
    assert event["location"] == "Elm Street 12"
    assert event["url"] == LINK
    assert LINK in str(event["description"])


def test_a_calendar_file_takes_out_what_is_cancelled() -> None:
    gone = replace(YOGA, is_cancelled=True, sequence=3)

    calendar = Calendar.from_ical(folded(written(facts(Kind.CANCELLED, Role.CUSTOMER, gone))[3]))

    assert calendar["method"] == "CANCEL"
    assert (calendar.events[0]["status"], calendar.events[0]["sequence"]) == ("CANCELLED", 3)


def test_lines_of_a_calendar_file_are_folded_and_unfolded_without_a_loss() -> None:
    text = written(facts())[3]

    assert max(len(line.encode()) for line in folded(text).split("\r\n")) <= 75
    assert unfolded(folded(text)) == text
    assert LINK in text


@pytest.mark.parametrize(
    ("accent", "text"), [("#000000", "#ffffff"), ("#ffffff", "#000000"), ("#2f6f5e", "#ffffff"), ("red", "#ffffff")]
)
def test_text_on_the_accent_can_be_read(accent: str, text: str) -> None:
    assert accent_of(accent)[1] == text
