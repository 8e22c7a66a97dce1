"""Tables of slots: as spreadsheets write them, in whatever order, and what is wrong by its line."""

from datetime import UTC, date, datetime, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.schedules import schedules_and_days
from widget_server.domain.schedule import Schedule
from widget_server.domain.slot_files import ROWS_MAX, Wish, plan_of
from widget_server.domain.wall_times import span
from widget_server.errors import InvalidRequest
from widget_server.web.admin.slot_csv import HEAD, read_csv, row_of
from widget_server.web.admin.spreadsheet import _written, safe

DAY = date(2026, 12, 31)
ONE = Wish(2, DAY, time(9), time(10, 30))


@pytest.mark.parametrize(
    "text",
    [
        "date,start,end\n2026-12-31,09:00,10:30",
        "date,start,end\r\n2026-12-31,09:00,10:30\r\n",
        "End;DATE; Start \n10:30;31.12.2026;9:00\n",
        "date\tstart\tend\n31.12.2026\t9.00\t10:30:00\n",
        '"date","start","end","note"\n"2026-12-31","09:00","10:30","with, comma"\n',
        "date,start,end,capacity\n2026-12-31,09:00,10:30,\n",
    ],
)
def test_a_table_is_read_as_spreadsheets_write_it(text: str) -> None:
    reading = read_csv(text)

    assert reading.wishes == (ONE,)
    assert reading.problems == ()


def test_columns_that_are_not_used_are_named() -> None:
    assert read_csv("note,date,start,end\nx,2026-12-31,9,10").notes == ("Columns that are not used: note.",)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("2026-12-31,25:00,10:00,", "25:00 is no time. Write 09:30."),
        ("2026-02-30,09:00,10:00,", "2026-02-30 is no date. Write 2026-12-31 or 31.12.2026."),
        ("30.2.2026,09:00,10:00,", "30.2.2026 is no date. Write 2026-12-31 or 31.12.2026."),
        ("1999-12-31,09:00,10:00,", "1999-12-31 is no date. Write 2026-12-31 or 31.12.2026."),
        ("2026-12-31,,10:00,", "there is no start."),
        ("2026-12-31", "there is no start."),
        ("2026-12-31,09:00,10:00,many", "many is no capacity. Use a whole number from 1 to 10000."),
        ("2026-12-31,09:00,10:00,0", "0 is no capacity. Use a whole number from 1 to 10000."),
        ("2026-12-31,09:00,10:00,10001", "10001 is no capacity. Use a whole number from 1 to 10000."),
    ],
)
def test_a_line_that_is_wrong_is_told_and_the_others_are_read(line: str, told: str) -> None:
    reading = read_csv(f"date,start,end,capacity\n\n{line}\n2026-12-31,09:00,24:00,5\n")

    assert [(problem.where, problem.why) for problem in reading.problems] == [("Line 3", told)]
    assert reading.wishes == (Wish(4, DAY, time(9), time(0), 5),)


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    reading = read_csv('date,start,end,note\n2026-12-31,9,10,"two\nlines"\n2026-12-31,x,10,\n')

    assert [problem.line for problem in reading.problems] == [4]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("date,start\n2026-12-31,09:00", "The first line names no column end."),
        ("end\n10:00", "The first line names no column date and none start."),
        (
            "2026-12-31,09:00,10:00",
            "The first line has to name the columns: date, start, end, and capacity if you like. "
            "It says: 2026-12-31 09:00 10:00",
        ),
        (",,\n", "The first line has to name the columns"),
        ('date,start,end\n2026-12-31,"09:00,10:00\n', "Line 2 has a quotation mark"),
        ('date,start,end\n2026-12-31,"09:00"x,10:00\n', "Line 2 has a quotation mark"),
        ("date,start,end\n" + "2026-12-31,09:00,10:00\n" * (ROWS_MAX + 1), "more than 5,000 lines"),
    ],
)
def test_a_table_that_is_not_to_be_read_is_refused_in_one_sentence(text: str, told: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_csv(text)

    assert told in refused.value.message


def test_as_many_lines_as_allowed_are_read() -> None:
    assert len(read_csv("date,start,end\n" + "2026-12-31,09:00,10:00\n" * ROWS_MAX).wishes) == ROWS_MAX


_CELLS = st.sampled_from(
    ["date", "start", "end", "capacity", "2026-12-31", "09:00", ",", ";", "\t", "\n", "\r", '"', "0"]
)


@settings(max_examples=80, deadline=None)
@given(st.one_of(st.text(), st.lists(_CELLS).map("".join), st.binary().map(lambda some: some.decode("latin-1"))))
def test_no_text_is_too_strange_to_be_read_or_refused(text: str) -> None:
    for each in (text, f"date,start,end\n{text}"):
        try:
            reading = read_csv(each)
        except InvalidRequest:
            continue
        assert all(wish.line > 1 for wish in reading.wishes)


@settings(max_examples=80, deadline=None)
@given(schedules_and_days())
def test_what_is_exported_is_the_same_when_it_is_imported(drawn: tuple[Schedule, date]) -> None:
    """Except where clocks change: there a wall time may mean another slot, and that is never added in silence."""
    offers, day = drawn
    slots = offers.slots_on("yoga", day)
    text = _written([HEAD, *(row_of(each, offers.zone) for each in slots)])

    reading = read_csv(text)

    empty = Schedule(1, offers.zone, offers.services, ())
    again = plan_of(empty, "yoga", reading, datetime(2000, 1, 2, tzinfo=UTC))
    plain = {
        offered.slot
        for offered, wish in zip(slots, reading.wishes, strict=True)
        if span(wish.day, wish.starts, wish.ends, offers.zone) == (offered.slot.starts_at, offered.slot.ends_at)
    }
    assert reading.problems == ()
    assert {one.slot for one in again.new if not one.notes} <= plain
    if len(plain) == len(slots):
        assert {one.slot for one in again.new} == plain


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("=1+1", "'=1+1"),
        ("\t=1+1", "'\t'=1+1"),
        ("Anna;=HYPERLINK(1)", "Anna;'=HYPERLINK(1)"),
        ('Anna; "@SUM(A1)', "Anna; \"'@SUM(A1)"),
        ("Anna\n-2", "Anna\n'-2"),
        ("Anna-Lena; Ben + Kim = 2", "Anna-Lena; Ben + Kim = 2"),
    ],
)
def test_nothing_becomes_a_formula_whatever_parts_the_cells(typed: str, written: str) -> None:
    assert safe(typed) == written
