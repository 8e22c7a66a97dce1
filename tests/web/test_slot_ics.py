"""Calendar files of slots: from whichever calendar, in whichever zone, and what is wrong by its event."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.domain.schedules import BERLIN, daily, schedule
from widget_server.domain.slot_files import Reading, plan_of
from widget_server.errors import InvalidRequest
from widget_server.web.admin.slot_ics import _EMPTY_MAX, is_calendar, read_ics, written

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LAST = date(2026, 12, 31)
DAY = date(2026, 12, 1)


def calendar(*events: str, more: str = "") -> str:
    written = "".join(f"BEGIN:VEVENT\n{event.strip()}\nEND:VEVENT\n" for event in events)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:test\n{more}{written}END:VCALENDAR\n"


def read(*events: str, more: str = "", **wanted: Any) -> Reading:
    return read_ics(calendar(*events, more=more), BERLIN, **{"now": NOW, "last": LAST} | wanted)


def times(reading: Reading) -> list[tuple[date, time, time]]:
    return [(wish.day, wish.starts, wish.ends) for wish in reading.wishes]


TEN_TO_ELEVEN = [(DAY, time(10), time(11))]


@pytest.mark.parametrize(
    "event",
    [
        "DTSTART:20261201T090000Z\nDTEND:20261201T100000Z",
        "DTSTART:20261201T100000\nDTEND:20261201T110000",
        "DTSTART;TZID=Europe/Berlin:20261201T100000\nDURATION:PT1H",
        "DTSTART;TZID=America/New_York:20261201T040000\nDTEND;TZID=America/New_York:20261201T050000",
        "DTSTART;TZID=W. Europe Standard Time:20261201T100000\nDTEND:20261201T100000Z",
    ],
)
def test_an_event_is_a_slot_on_the_clocks_of_the_site(event: str) -> None:
    reading = read(event)

    assert times(reading) == TEN_TO_ELEVEN
    assert reading.problems == ()
    (one,) = plan_of(schedule([]), "yoga", reading, NOW).new
    assert one.slot.starts_at == datetime(2026, 12, 1, 9, tzinfo=UTC)


def test_a_zone_that_the_file_brings_along_is_understood() -> None:
    always = "DTSTART:19700101T000000\nTZOFFSETFROM:+0300\nTZOFFSETTO:+0300"
    zone = f"BEGIN:VTIMEZONE\nTZID:Home\nBEGIN:STANDARD\n{always}\nEND:STANDARD\nEND:VTIMEZONE\n"

    reading = read("DTSTART;TZID=Home:20261201T120000\nDTEND;TZID=Home:20261201T130000", more=zone)

    assert times(reading) == TEN_TO_ELEVEN


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ("DTSTART;VALUE=DATE:20261201", "lasts all day"),
        ("DTSTART:20261201T090000Z", "has no end"),
        ("DTEND:20261201T090000Z", "has no DTSTART that can be read"),
        ("DTSTART:2026130109\nDURATION:PT1H", "has no DTSTART that can be read"),
        ("DTSTART:20261201T090000Z\nDTSTART:20261201T090000Z\nDURATION:PT1H", "has no DTSTART that can be read"),
        ("DTSTART:20261201T090000Z\nDTEND:20261201T090000Z", "ends at its start, or before it"),
        ("DTSTART:20261201T090000Z\nDURATION:P1D", "lasts a day or longer"),
        ("DTSTART:20261201T090015Z\nDURATION:PT1H", "has seconds"),
        ("DTSTART:20261201T090000Z\nDURATION:PT90S", "has seconds"),
        ("DTSTART:19691201T090000Z\nDURATION:PT1H", "is not in the years 1970 to 2199"),
        ("DTSTART;TZID=Europe/Nowhere:20261201T090000\nDURATION:PT1H", "not known: Europe/Nowhere"),
        ("DTSTART:20261201T090000Z\nDURATION:PT1H\nRRULE:FREQ=HOURLY", "more often than every day"),
        ("DTSTART:20261201T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;BYHOUR=9,10", "a rule with BYHOUR"),
        ("DTSTART:20261201T090000Z\nDURATION:PT1H\nRRULE:FREQ=SOMETIMES", "cannot be read, or by several"),
        ("DTSTART:20261201T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY", "or by several"),
        ("DTSTART:20261201T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;BYSETPOS=0;BYDAY=MO", "that cannot be read"),
        ("DTSTART:20261201T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;INTERVAL=0;BYMONTH=1", "that cannot be read"),
        ("DTSTART:20261201T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;INTERVAL=-1", "that cannot be read"),
        ("DTSTART:20261201T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY\nEXDATE:never", "(EXDATE) that cannot be read"),
        ("DTSTART:20261201T090000Z\nDURATION:PT1H\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "days that never come"),
        (
            "RECURRENCE-ID;RANGE=THISANDFUTURE:20261201T090000Z\nDTSTART:20261201T090000Z\nDURATION:PT1H",
            "moves all that follow",
        ),
    ],
)
def test_an_event_that_is_no_slot_is_told_by_its_line_and_name_and_the_others_are_read(event: str, told: str) -> None:
    reading = read(f"SUMMARY:Yoga  in the park\n{event}", "DTSTART:20261201T090000Z\nDURATION:PT1H")

    (problem,) = reading.problems
    assert problem.where == "Line 4, \u201cYoga in the park\u201d"
    assert told in problem.why
    assert times(reading) == TEN_TO_ELEVEN


def test_extra_dates_are_not_read_and_all_others_are() -> None:
    reading = read("DTSTART:20261201T090000Z\nDURATION:PT1H\nRDATE:20261203T090000Z")

    assert times(reading) == TEN_TO_ELEVEN
    assert "extra dates" in reading.problems[0].why


def test_what_repeats_keeps_its_hour_and_is_cut_at_the_horizon() -> None:
    weekly = "SUMMARY:Yoga\nDTSTART;TZID=Europe/Berlin:20260901T100000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY"

    reading = read(weekly)

    days = [date(2026, 11, 24) + timedelta(days=7 * n) for n in range(6)]
    assert times(reading) == [(day, time(10), time(11)) for day in days]
    assert reading.notes == (
        "Goes on after Thu 31 Dec 2026, the horizon of the service, and is cut there: \u201cYoga\u201d.",
    )


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ("FREQ=DAILY;COUNT=3", [1, 2, 3]),
        ("FREQ=DAILY;INTERVAL=2;UNTIL=20261205T090000Z", [1, 3, 5]),
        ("FREQ=DAILY;UNTIL=20261203", [1, 2, 3]),
        ("FREQ=DAILY;UNTIL=20261203T085959Z", [1, 2]),
        ("FREQ=WEEKLY;BYDAY=TU,TH;COUNT=3", [1, 3, 8]),
        ("FREQ=MONTHLY;BYDAY=1TU;COUNT=1", [1]),
        ("FREQ=DAILY;COUNT=4\nEXDATE:20261202T090000Z,20261203T090000Z", [1, 4]),
        ("FREQ=DAILY;COUNT=4\nEXDATE;TZID=Europe/Berlin:20261202T100000\nEXDATE;VALUE=DATE:20261203", [1, 4]),
    ],
)
def test_rules_are_followed_with_their_ends_and_exceptions(rule: str, days: list[int]) -> None:
    reading = read(f"DTSTART;TZID=Europe/Berlin:20261201T100000\nDURATION:PT1H\nRRULE:{rule}")

    assert [wish.day.day for wish in reading.wishes] == days
    assert (reading.problems, reading.notes) == ((), ())


def test_a_time_that_was_moved_or_cancelled_is_not_where_it_was() -> None:
    reading = read(
        "UID:a\nDTSTART:20261201T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3",
        "UID:a\nRECURRENCE-ID:20261202T090000Z\nDTSTART:20261202T150000Z\nDURATION:PT1H",
        "UID:a\nRECURRENCE-ID:20261203T090000Z\nDTSTART:20261203T090000Z\nDURATION:PT1H\nSTATUS:CANCELLED",
    )

    assert [(day.day, starts.hour) for day, starts, _ in times(reading)] == [(1, 10), (2, 16)]
    assert reading.notes == ("Cancelled events that are left out: 1.",)


def test_what_has_come_to_its_end_is_told_once() -> None:
    reading = read("DTSTART:20260101T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=30")

    assert [remark.line for remark in plan_of(schedule([]), "yoga", reading, NOW).over] == [4]


def home(hours: int, rule: str = "") -> str:
    """A time zone that only this file knows."""
    winter = f"BEGIN:STANDARD\nDTSTART:19701025T030000\nTZOFFSETFROM:+0{hours}00\nTZOFFSETTO:+0{hours}00\n{rule}"
    summer = f"BEGIN:DAYLIGHT\nDTSTART:19700329T020000\nTZOFFSETFROM:+0{hours}00\nTZOFFSETTO:+0{hours + 1}00\n{rule}"
    return f"BEGIN:VTIMEZONE\nTZID:Home\n{winter}END:STANDARD\n{summer}END:DAYLIGHT\nEND:VTIMEZONE\n"


AT_HOME = "DTSTART;TZID=Home:20261201T120000\nDTEND;TZID=Home:20261201T130000"


def test_each_file_means_its_own_zone_also_where_another_had_one_of_the_same_name() -> None:
    # Without rules, the clocks of the last change count: those of winter.
    first, second, third = read(AT_HOME, more=home(3)), read(AT_HOME, more=home(5)), read(AT_HOME)

    assert [times(one)[0][1] for one in (first, second)] == [time(10), time(8)]
    assert not third.wishes
    assert "time zone that is not known: Home" in third.problems[0].why


def test_zones_with_the_rules_of_real_calendars_are_understood() -> None:
    rule = "RRULE:FREQ=YEARLY;INTERVAL=1;BYMONTH=3;BYMONTHDAY=8,9,10,11,12,13,14;BYDAY=SU\n"

    assert read(AT_HOME, more=home(3, rule)).problems == ()


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY",
        "FREQ=YEARLY;BYSECOND=1,2,3,4,5,6,7,8,9",
        "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU",
        "FREQ=YEARLY;BYMONTH=1\nRRULE:FREQ=SECONDLY",
    ],
)
def test_a_zone_whose_clocks_change_all_the_time_is_refused(rule: str) -> None:
    with pytest.raises(InvalidRequest, match="clocks change too often"):
        read(AT_HOME, more=home(3, f"RRULE:{rule}\n"))


def test_rules_that_seldom_come_true_are_not_followed_for_minutes() -> None:
    leap = "DTSTART:19700101T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29"

    with pytest.raises(InvalidRequest, match="too often to be read"):
        read(*[leap] * 200)


def test_a_rule_with_thousands_of_days_is_refused() -> None:
    days = ",".join(["1"] * 1_000)
    reading = read(f"DTSTART:20261201T090000Z\nDURATION:PT1H\nRRULE:FREQ=YEARLY;BYYEARDAY={days}")

    assert "too long to be read" in reading.problems[0].why


@pytest.mark.parametrize(
    "text",
    [
        "",
        "BEGIN:VCALENDAR\nEND:VCALENDAR",
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261201T090000Z\n",
        "BEGIN:VCALENDAR\nnothing\nEND:VCALENDAR",
        calendar(
            *["DTSTART:20261201T090000Z\nDURATION:PT1H\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"] * (_EMPTY_MAX + 1)
        ),
        calendar(*["DTSTART:19700101T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY"] * 5),
    ],
)
def test_a_file_that_is_not_to_be_read_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(InvalidRequest):
        read_ics(text, BERLIN, now=NOW, last=LAST)


def test_too_many_slots_are_refused() -> None:
    daily = "DTSTART:20261201T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY"

    with pytest.raises(InvalidRequest, match="more than 5,000 slots"):
        read(*[daily] * 8, last=date(2028, 11, 21))


_LINES = st.sampled_from(
    [
        *("BEGIN:VEVENT", "END:VEVENT", "BEGIN:VTIMEZONE", "END:VTIMEZONE", "BEGIN:VCALENDAR", "END:VCALENDAR"),
        *("DTSTART:20261201T090000Z", "DTSTART;TZID=X:20261201T090000", "DTEND:20261201T100000Z", "DURATION:PT1H"),
        *("DTSTART;VALUE=DATE:20261201", "DTSTART:99991231T235900", "DTEND:00010101T000000Z", "DURATION:-P9999999W"),
        *("RRULE:FREQ=DAILY", "RRULE:FREQ=DAILY;INTERVAL=0", "RRULE:FREQ=WEEKLY;BYDAY=XX", "RRULE:UNTIL=1", "RRULE:"),
        *("RRULE:FREQ=MONTHLY;BYSETPOS=400", "RRULE:FREQ=YEARLY;COUNT=-1", "EXDATE:20261201T090000Z", "EXDATE:"),
        *("RECURRENCE-ID:20261201T090000Z", "RECURRENCE-ID;RANGE=X:x", "SUMMARY:x", "STATUS:CANCELLED", "TZID:X", " x"),
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.text(),
        st.binary().map(lambda some: some.decode("latin-1")),
        st.lists(_LINES).map("\n".join),
        st.lists(_LINES).map(lambda lines: calendar("\n".join(lines))),
    )
)
@example(calendar("DTSTART:21991231T235900\nDURATION:PT23H\nRRULE:FREQ=YEARLY"))
@example(calendar("DTSTART:20261201T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;INTERVAL=99999999999"))
def test_no_text_is_too_strange_to_be_read_or_refused(text: str) -> None:
    try:
        reading = read_ics(text, BERLIN, now=NOW, last=LAST)
    except InvalidRequest:
        return
    plan_of(schedule([]), "yoga", reading, NOW)


def test_what_is_exported_is_the_same_when_it_is_imported_also_on_a_night_on_which_clocks_change() -> None:
    mornings = schedule(daily("yoga", time(3), time(6)))
    days = [mornings.slots_on("yoga", date(2027, 3, 27) + timedelta(days=n)) for n in range(3)]
    pieces = written(days, name="Yoga, slow", site="studio", now=NOW)

    text = b"".join(pieces).decode()

    assert is_calendar(text)
    reading = read_ics(text, BERLIN, now=NOW, last=LAST)
    assert plan_of(mornings, "yoga", reading, NOW).new == ()
    assert [one.slot for one in plan_of(schedule([]), "yoga", reading, NOW).new] == [
        offered.slot for of_day in days for offered in of_day
    ]
    assert "UID:yoga.20270327T0200Z.60@studio.tenuto" in text
    assert "DTSTART:20270327T020000Z" in text
