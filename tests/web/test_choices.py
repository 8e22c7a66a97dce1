"""What can be typed where a time zone is asked for."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from widget_server.web.admin.choices import find_zone, zones


@pytest.mark.parametrize(
    ("typed", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("america/new york", "America/New_York"),
        ("Berlin", "Europe/Berlin"),
        (" new  york ", "America/New_York"),
        ("Buenos Aires", "America/Argentina/Buenos_Aires"),
        ("Munich", "Europe/Berlin"),
        ("münchen", "Europe/Berlin"),
        ("Rio de Janeiro", "America/Sao_Paulo"),
        ("Berlin, UTC+01:00", "Europe/Berlin"),
        ("Istanbul", "Europe/Istanbul"),
    ],
)
def test_a_zone_is_found_by_its_name_or_by_a_city_in_it(typed: str, zone: str) -> None:
    assert getattr(find_zone(typed), "key", None) == zone


@pytest.mark.parametrize("typed", ["", " ", ",", "Atlantis", "../../etc/passwd", "localtime"])
def test_what_is_no_zone_is_none(typed: str) -> None:
    assert find_zone(typed) is None


def test_every_city_on_the_list_leads_to_its_zone() -> None:
    """Whatever its name is there: by the clock in winter and in summer."""
    now, seasons = datetime(2026, 11, 21, tzinfo=UTC), [datetime(2027, month, 1, tzinfo=UTC) for month in (1, 7)]
    offsets = {
        choice.label: [
            [each.astimezone(zone).utcoffset() for each in seasons]
            for zone in (find_zone(choice.label), ZoneInfo(choice.value))
        ]
        for choice in zones(now)
    }

    assert {label: both for label, both in offsets.items() if both[0] != both[1]} == {}
    assert ("Europe/Berlin", "Munich, UTC+01:00") in {(choice.value, choice.label) for choice in zones(now)}
