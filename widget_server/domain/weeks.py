"""The only place that knows with which day a week begins, and what its days are called.

Weekdays are counted as Python does: Monday is 0. The regions are those of the Unicode CLDR (supplemental data,
`weekData`), which browsers go by as well.
"""

from datetime import date, timedelta

MONDAY, FRIDAY, SATURDAY, SUNDAY = 0, 4, 5, 6
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_BEGINS_WITH = {
    FRIDAY: "MV",
    SATURDAY: "AF BH DJ DZ EG IQ IR JO KW LY OM QA SD SY",
    SUNDAY: "AG AS BD BR BS BT BW BZ CA CO DM DO ET GT GU HK HN ID IL IN JM JP KE KH KR LA MH MM MO MT MX MZ NI NP PA "
    "PE PH PK PR PT PY SA SG SV TH TT TW UM US VE VI WS YE ZA ZW",
}
_FIRST_DAYS = {region: weekday for weekday, regions in _BEGINS_WITH.items() for region in regions.split()}
_REGION_OF_LANGUAGE = {
    "am": "ET", "ar": "EG", "bn": "BD", "dv": "MV", "en": "US", "fa": "IR", "gu": "IN", "he": "IL", "hi": "IN",
    "id": "ID", "ja": "JP", "kn": "IN", "ko": "KR", "ml": "IN", "mr": "IN", "mt": "MT", "ne": "NP", "pa": "IN",
    "ps": "AF", "pt": "BR", "ta": "IN", "te": "IN", "th": "TH", "ur": "PK", "zu": "ZA",
}  # fmt: skip
"""Where a language that names no region is mostly spoken, if weeks do not begin with Monday there."""


def first_weekday(locale: str) -> int:
    """With which weekday a week begins for readers of this locale, such as `de`, `en-GB` or `pt_BR`."""
    language, *rest = locale.replace("_", "-").split("-")
    named = [part.upper() for part in rest if len(part) == 2 and part.isalpha()]
    region = named[0] if named else _REGION_OF_LANGUAGE.get(language.lower(), "")
    return _FIRST_DAYS.get(region, MONDAY)


def weekdays_of(locale: str) -> list[tuple[int, str]]:
    """All seven in the order of a week of theirs, with their numbers."""
    first = first_weekday(locale)
    return [((first + n) % 7, WEEKDAYS[(first + n) % 7]) for n in range(7)]


def week_of(day: date, locale: str) -> list[date]:
    """The seven days of the week that a day is in."""
    first = day - timedelta(days=(day.weekday() - first_weekday(locale)) % 7)
    return [first + timedelta(days=n) for n in range(7)]
