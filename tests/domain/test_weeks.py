from datetime import date

import pytest

from widget_server.domain.weeks import FRIDAY, MONDAY, SATURDAY, SUNDAY, first_weekday, week_of


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


@pytest.mark.parametrize("locale", ["de", "en", "ar", "dv"])
def test_a_week_has_seven_days_in_order_and_the_day_itself(locale: str) -> None:
    for day in (date(2026, 11, n) for n in range(1, 29)):
        week = week_of(day, locale)

        assert [(one - week[0]).days for one in week] == list(range(7))
        assert day in week
        assert week[0].weekday() == first_weekday(locale)
