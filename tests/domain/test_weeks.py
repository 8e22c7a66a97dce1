from datetime import date

import pytest

from widget_server.domain.weeks import FRIDAY, MONDAY, SATURDAY, SUNDAY, first_weekday, week_of, weekdays_of


@pytest.mark.parametrize(
    ("locale", "weekday"),
    [
        ("de", MONDAY),
        ("de-CH", MONDAY),
        ("en", SUNDAY),
        ("en-GB", MONDAY),
        ("en_AU", MONDAY),
        ("pt-PT", SUNDAY),
        ("pt_BR", SUNDAY),
        ("ar", SATURDAY),
        ("ar-AE", MONDAY),
        ("ar-SA", SUNDAY),
        ("fa", SATURDAY),
        ("dv", FRIDAY),
        ("zh-Hant-TW", SUNDAY),
        ("ja", SUNDAY),
        ("fr", MONDAY),
        ("xx", MONDAY),
        ("", MONDAY),
    ],
)
def test_a_week_begins_as_readers_of_the_locale_know_it(locale: str, weekday: int) -> None:
    assert first_weekday(locale) == weekday


def test_weekdays_are_listed_in_the_order_of_a_week() -> None:
    assert [name[:2] for _, name in weekdays_of("en")] == ["Su", "Mo", "Tu", "We", "Th", "Fr", "Sa"]
    assert weekdays_of("ar")[:3] == [(5, "Saturday"), (6, "Sunday"), (0, "Monday")]
    assert [number for number, _ in weekdays_of("de")] == list(range(7))


@pytest.mark.parametrize("locale", ["de", "en", "ar", "dv"])
def test_a_week_has_seven_days_in_order_and_the_day_itself(locale: str) -> None:
    for day in (date(2026, 11, n) for n in range(1, 29)):
        week = week_of(day, locale)

        assert [(one - week[0]).days for one in week] == list(range(7))
        assert day in week
        assert week[0].weekday() == first_weekday(locale)
