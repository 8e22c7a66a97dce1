"""The pages about what can be booked when: what is typed is saved or shown again, never lost."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from html import unescape

import pytest
from httpx2 import Response as Answer

from tests.house import ORIGIN, PRIVATE, House, slot
from tests.store.studio import FREE
from tests.web.rooms import fields_of, path_of
from widget_server.domain.blackouts import Blackout
from widget_server.domain.money import Money
from widget_server.domain.schedule import CapacityRule, Schedule
from widget_server.domain.sites import Site
from widget_server.web.admin.blackouts import is_over
from widget_server.web.admin.prices import minor_of, typed_price
from widget_server.web.admin.writing import amount

pytestmark = pytest.mark.anyio

HOME = "/admin/sites/studio"
DAY = slot().starts_at.date()
"""The day after tomorrow, with yoga at 8, 9, 10 and 11 on the clocks of the site, which show UTC."""
CALENDAR = f"{HOME}/services/yoga/calendar?week={DAY}"


@dataclass(frozen=True)
class Desk:
    """An operator of the studio, signed in."""

    house: House

    async def get(self, path: str) -> Answer:
        return await self.house.client.get(path)

    async def post(self, path: str, fields: dict[str, str]) -> Answer:
        return await self.house.client.post(path, data=fields, headers={"sec-fetch-site": "same-origin"})

    async def fill_in(self, path: str, **typed: str) -> Answer:
        """The form as it is shown, with some fields changed."""
        return await self.post(path, fields_of(await self.get(path)) | spelled(typed))

    async def schedule(self, site: str = "studio") -> Schedule:
        return (await self.house.parts.use_cases.sites.read(await self.house.site(site)))[1]

    def forget(self) -> None:
        """What the process keeps in memory, as the feed will tell it to in a moment."""
        self.house.parts.use_cases.catalog.forget("studio")


@pytest.fixture
async def desk(house: House) -> Desk:
    await sign_in(house, await house.site())
    return Desk(house)


async def sign_in(house: House, site: Site) -> None:
    sites = house.parts.use_cases.sites
    session = await sites.set_up(
        await sites.first_run_token(site), f"{site.key}@example.org", "seven quiet herons", network="192.0.2.0/24"
    )
    house.client.cookies.set("tenuto", session)


def spelled(typed: dict[str, str]) -> dict[str, str]:
    """`t_0_starts` for `t-0-starts`: names of rows are no names in Python."""
    return {re.sub(r"^([a-z]+)_(\d+)_([a-z]+)$", r"\1-\2-\3", name): value for name, value in typed.items()}


def text_of(page: Answer) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page.text)))


def blank_row(fields: dict[str, str], day: date) -> str:
    """The prefix of the row on this day in which nothing is typed yet."""
    rows = [name.removesuffix("-day") for name, value in fields.items() if value == str(day) and name.startswith("t-")]
    return next(row for row in rows if not fields[f"{row}-starts"])


async def add_time(desk: Desk, starts: str, ends: str, day: date = DAY, **more: str) -> Answer:
    fields = fields_of(await desk.get(CALENDAR))
    row = blank_row(fields, day)
    return await desk.post(CALENDAR, fields | {f"{row}-starts": starts, f"{row}-ends": ends} | more)


async def test_a_service_is_made_and_then_asks_for_its_times(desk: Desk) -> None:
    answer = await desk.fill_in(f"{HOME}/services/new", name="Haircut & beard", length_min="45", price="32,50")

    assert path_of(answer) == f"{HOME}/services/haircut-beard/calendar?new=1"
    made = (await desk.schedule()).services["haircut-beard"]
    assert (made.name, made.length_min, made.capacity, made.price) == ("Haircut & beard", 45, 1, Money(3250, "EUR"))
    assert "No times yet" in text_of(await desk.get(f"{HOME}/services"))
    assert "Now say when it can be booked" in text_of(await desk.get(path_of(answer)))
    logged = text_of(await desk.get(f"{HOME}/audit-log"))
    for said in ("name: Haircut & beard", "minutes long: 45", "maximum customers per slot: 1", "price: 32.50 EUR"):
        assert said in logged


async def test_everything_about_a_service_can_be_changed_and_comes_back(desk: Desk) -> None:
    typed = {
        "name": "Evening yoga",
        "kind": "event",
        "place": "online",
        "description": "Slow.",
        "access": "A link.",
        "length_min": "60",
        "capacity": "15",
        "seats_per_booking_max": "2",
        "buffer_before_min": "5",
        "buffer_after_min": "10",
        "notice_min": "120",
        "horizon_days": "90",
        "cancel_until_min": "1440",
        "attendees_shown": "emails",
        "price": "0",
    }

    answer = await desk.fill_in(f"{HOME}/services/yoga", **typed)

    assert path_of(answer) == f"{HOME}/services/yoga?saved=1"
    fields = fields_of(await desk.get(path_of(answer)))
    assert {name: fields[name] for name in typed} == typed | {"price": "0.00"}


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("name", " ", "Give it a name"),
        ("name", "x" * 201, "at most 200 characters"),
        ("length_min", "0", "from 5 to 1440"),
        ("capacity", "many", "from 1 to 10000"),
        ("seats_per_booking_max", "51", "from 1 to 50"),
        ("price", "12.345", "Use an amount such as 12.00"),
        ("price", "free", "Use an amount such as 12.00"),
        ("kind", "golf", "Choose one of these"),
        ("attendees_shown", "everything", "Choose one of these"),
        ("buffer_after_min", "721", "from 0 to 720"),
        ("horizon_days", "731", "from 1 to 730"),
        ("capacity_rule", "by_shift", "Nobody serves this service yet"),
    ],
)
async def test_what_is_wrong_stands_at_its_field_and_all_else_is_still_there(
    desk: Desk, field: str, typed: str, told: str
) -> None:
    answer = await desk.fill_in(f"{HOME}/services/yoga", **{"description": "Just typed", field: typed})

    assert answer.status_code == 422
    assert told in text_of(answer)
    assert fields_of(answer).get(field, typed) in (typed, "7"), "what is in no list cannot be shown in it"
    assert fields_of(answer)["description"] == "Just typed"
    assert (await desk.schedule()).services["yoga"].description != "Just typed"


async def test_too_few_seats_are_refused_with_who_is_in_the_way(desk: Desk) -> None:
    anna = desk.house.guest()
    await anna.hold((slot(), 4))
    await anna.confirm("Anna Berg")

    answer = await desk.fill_in(f"{HOME}/services/yoga", capacity="3")

    assert answer.status_code == 422
    assert "Anna Berg" in text_of(answer)
    assert "4 booked" in text_of(answer)
    assert (await desk.schedule()).services["yoga"].capacity == 12


async def test_a_new_time_can_be_booked_at_once(desk: Desk) -> None:
    answer = await add_time(desk, "15:00", "16:30")

    assert path_of(answer) == f"{CALENDAR}&saved=1"
    desk.forget()
    added = slot(number=7)
    (opening,) = [o for o in (await desk.schedule()).openings if o.day == DAY]
    assert opening.whole
    offered = [
        each.slot for each in (await desk.schedule()).slots_on("yoga", DAY) if each.slot.starts_at == added.starts_at
    ]
    assert (await desk.house.guest().hold(offered[0])).status_code == 201
    page = text_of(await desk.get(CALENDAR))
    assert "1 held" in page


async def test_on_a_day_that_is_over_a_new_time_is_meant_for_those_to_come(desk: Desk) -> None:
    last_week, next_week = DAY - timedelta(days=10), DAY + timedelta(days=7)

    past, future = [await desk.get(f"{HOME}/services/yoga/calendar?week={week}") for week in (last_week, next_week)]

    assert [page.text.count('<option value="once" selected>') for page in (past, future)] == [0, 7]
    assert past.text.count(", over</small>") == 7
    assert "free slots: close one" not in past.text
    assert "free slots: close one" in future.text
    assert ", over</small>" not in future.text


async def test_hours_are_cut_into_slots_and_repeat_weekly(desk: Desk) -> None:
    fields = fields_of(await desk.get(CALENDAR))
    row = blank_row(fields, DAY)

    typed = {f"{row}-starts": "14:00", f"{row}-ends": "17:00", f"{row}-kind": "hours", f"{row}-repeat": "weekly"}
    await desk.post(CALENDAR, fields | typed)

    schedule = await desk.schedule()
    for day in (DAY, DAY + timedelta(days=7)):
        assert [each.slot.starts_at.hour for each in schedule.slots_on("yoga", day)] == [8, 9, 10, 11, 14, 15, 16]


async def test_a_row_that_goes_takes_its_slots_with_it_but_not_those_that_are_taken(desk: Desk) -> None:
    await desk.house.guest().hold(slot(number=1))
    fields = fields_of(await desk.get(CALENDAR))
    rows = {name.removesuffix("-day") for name, value in fields.items() if value == str(DAY) and name.startswith("t-")}

    asked = await desk.post(CALENDAR, fields | {f"{row}-gone": "on" for row in rows})
    assert asked.status_code == 422
    assert "no opening hours then" in text_of(asked)
    await desk.post(CALENDAR, fields_of(asked) | {"choice": "keep"})

    assert [each.slot for each in (await desk.schedule()).slots_on("yoga", DAY)] == [slot(number=1)]
    assert "1 held kept for those who have it, nobody else can book" in text_of(await desk.get(CALENDAR))


@pytest.mark.parametrize(
    ("starts", "ends", "told"),
    [
        ("15:00", "", "Enter when it starts and when it ends"),
        ("late", "16:00", "Enter when it starts and when it ends"),
        ("15:00", "15:00", "Start and end are the same"),
        ("11:30", "12:30", "before the one from 08:00 ends"),
    ],
)
async def test_a_time_that_makes_no_sense_is_told_and_stays_as_typed(
    desk: Desk, starts: str, ends: str, told: str
) -> None:
    answer = await add_time(desk, starts, ends)

    assert answer.status_code == 422
    assert told in text_of(answer)
    typed = fields_of(answer)
    assert (starts, ends) in {
        (typed[f"t-{n}-starts"], typed[f"t-{n}-ends"]) for n in range(20) if f"t-{n}-ends" in typed
    }
    assert all(opening.day is None for opening in (await desk.schedule()).openings)


async def test_a_taken_slot_can_be_closed_and_given_more_seats(desk: Desk) -> None:
    await desk.house.guest().hold((slot(), 2))

    answer = await desk.fill_in(CALENDAR, **{f"closed-{slot().id}": "on", f"seats-{slot().id}": "20", "choice": "keep"})

    assert path_of(answer) == f"{CALENDAR}&saved=1"
    rule = (await desk.schedule()).rule_of(slot())
    assert (rule.is_closed, rule.capacity) == (True, 20)
    fields = fields_of(await desk.get(CALENDAR))
    assert (fields[f"closed-{slot().id}"], fields[f"seats-{slot().id}"]) == ("on", "20")


async def test_a_calendar_left_open_does_not_undo_fewer_seats_that_the_service_has_by_now(desk: Desk) -> None:
    left_open = fields_of(await desk.get(CALENDAR))
    await desk.fill_in(f"{HOME}/services/yoga", capacity="4")

    told = await desk.post(CALENDAR, left_open)
    again = await desk.post(CALENDAR, fields_of(told))

    assert told.status_code == 422
    assert path_of(again) == f"{CALENDAR}&saved=1"
    schedule = await desk.schedule()
    assert schedule.slot_rules == ()
    assert [offered.capacity for offered in schedule.slots_on("yoga", DAY)] == [4, 4, 4, 4]


async def test_seats_that_were_typed_stay_typed_when_the_service_has_others_by_now(desk: Desk) -> None:
    left_open = fields_of(await desk.get(CALENDAR)) | {f"seats-{slot().id}": "6"}
    await desk.fill_in(f"{HOME}/services/yoga", capacity="4")

    await desk.post(CALENDAR, fields_of(await desk.post(CALENDAR, left_open)))

    assert [offered.capacity for offered in (await desk.schedule()).slots_on("yoga", DAY)] == [6, 4, 4, 4]


async def test_a_calendar_left_open_does_not_open_what_was_frozen_meanwhile_nor_close_it_again(desk: Desk) -> None:
    async def freeze(frozen: str) -> None:
        form = {"form_token": left_open["form_token"], "frozen": frozen, "back": "meeting"}
        await desk.post(f"{HOME}/meetings/{slot().id}/freezing", form)

    for frozen, ticked in (("yes", dict[str, str]()), ("no", {f"closed-{slot(number=1).id}": "on"})):
        left_open = fields_of(await desk.get(CALENDAR)) | ticked
        await freeze(frozen)
        told = await desk.post(CALENDAR, left_open)

        assert told.status_code == 422
        assert path_of(await desk.post(CALENDAR, fields_of(told))) == f"{CALENDAR}&saved=1"
        offered = (await desk.schedule()).slots_on("yoga", DAY)
        assert [each.is_closed for each in offered] == [frozen == "yes", bool(ticked), False, False]


@pytest.mark.parametrize(
    ("currency", "minor", "typed"), [("EUR", 1250, "12.50"), ("JOD", 12500, "12.500"), ("JPY", 12, "12")]
)
def test_a_price_is_typed_with_the_decimals_it_is_shown_with(currency: str, minor: int, typed: str) -> None:
    assert typed_price(minor, currency) == amount(Money(minor, currency)) == typed
    assert minor_of(typed, currency) == minor


@pytest.mark.parametrize("week", ["2199-12-25", "2199-12-31"])
async def test_a_week_at_the_end_of_all_years_is_not_shown_but_the_present_one(desk: Desk, week: str) -> None:
    fields = fields_of(await desk.get(f"{HOME}/services/yoga/calendar?week={week}"))

    assert {f"{slot().starts_at:%Y}", f"{slot().starts_at - timedelta(days=7):%Y}"} >= {
        name.split(".")[1][:4] for name in fields if name.startswith("slot-")
    }
    last = fields_of(await desk.get(f"{HOME}/services/yoga/calendar?week=2199-12-24"))
    assert any(name.startswith("slot-yoga.21991230") for name in last)


@pytest.mark.parametrize(("locale", "weekday"), [("de", 0), ("en-US", 6), ("ar", 5)])
async def test_a_week_begins_as_the_sites_readers_know_it(desk: Desk, locale: str, weekday: int) -> None:
    await desk.house.change_settings(locale=locale)

    first = fields_of(await desk.get(f"{HOME}/services/yoga/calendar"))["week"]

    blackout = (await desk.get(f"{HOME}/blackouts/new")).text
    assert re.findall(r'name="weekday-(\d)"', blackout)[0] == str(weekday)
    days = (datetime.now(UTC).date() - date.fromisoformat(first)).days
    assert (date.fromisoformat(first).weekday(), days in range(7)) == (weekday, True)


async def test_a_day_is_copied_to_others_before_anything_is_saved(desk: Desk) -> None:
    other = DAY + timedelta(days=2)
    fields = fields_of(await desk.get(CALENDAR))
    row = blank_row(fields, DAY)
    typed = {f"{row}-starts": "20:00", f"{row}-ends": "21:00", "copy_from": str(DAY), f"copy_to-{other}": "on"}

    shown = await desk.post(CALENDAR, fields | typed | {"action": "copy_day"})

    assert shown.status_code == 200
    assert all(opening.day is None for opening in (await desk.schedule()).openings)
    await desk.post(CALENDAR, fields_of(shown))
    assert {opening.day for opening in (await desk.schedule()).openings if opening.day} == {DAY, other}


async def test_a_week_is_copied_to_those_that_follow_and_not_twice(desk: Desk) -> None:
    await add_time(desk, "20:00", "21:00", copies="2")

    again = await desk.fill_in(CALENDAR, copies="2")

    assert path_of(again) == f"{CALENDAR}&saved=1"

    days = sorted(opening.day for opening in (await desk.schedule()).openings if opening.day)
    assert days == [DAY, DAY + timedelta(days=7), DAY + timedelta(days=14)]


async def test_of_two_operators_the_slower_sees_both_and_loses_nothing(desk: Desk) -> None:
    slower = fields_of(await desk.get(CALENDAR))
    await add_time(desk, "20:00", "21:00")
    row = blank_row(slower, DAY)

    told = await desk.post(CALENDAR, slower | {f"{row}-starts": "14:00", f"{row}-ends": "15:00"})

    assert told.status_code == 422
    assert "Somebody saved other times meanwhile" in text_of(told)
    assert "20:00" in text_of(told)
    assert fields_of(told)[f"{row}-starts"] == "14:00"
    assert path_of(await desk.post(CALENDAR, fields_of(told))) == f"{CALENDAR}&saved=1"
    assert [o.starts.hour for o in (await desk.schedule()).openings if o.day] == [14]


async def test_of_two_operators_in_one_form_each_keeps_what_they_have_changed(desk: Desk) -> None:
    yoga, asked = (
        f"{HOME}/services/yoga",
        {"questions": "1", "question_1_text": "Which mat?", "question_1_kind": "text"},
    )
    for path, mine, theirs in (
        (f"{HOME}/settings", {"accent": "#123456"}, {"name": "Studio Due", "origins": "https://due.example"}),
        (yoga, {"description": "Slow.", "is_offered": ""}, {"price": "12.00", "attendee_emails": "on"} | asked),
        (yoga, asked | {"question_1_text": "Which level?"}, {"length_min": "45"}),
        (yoga, {"length_min": "50"}, {"questions": "0"}),
    ):
        slower = fields_of(await desk.get(path))
        saved = await desk.post(path, slower | theirs)
        told = fields_of(await desk.post(path, slower | mine))

        assert saved.status_code == 303, text_of(saved)
        assert {name: told.get(name, "") for name in mine} == mine
        assert {name: told[name] for name in theirs} == theirs
        assert (await desk.post(path, told)).status_code == 303


async def test_of_two_operators_each_keeps_what_they_have_changed_also_in_rows_and_ticks(desk: Desk) -> None:
    shift = {"w-0-day": "1", "w-0-starts": "08:00", "w-0-ends": "12:00"}
    single = {"d-0-day": "2031-01-03", "d-0-starts": "10:00", "d-0-ends": "11:00"}
    await desk.fill_in(f"{HOME}/staff/new", name="Anna Berg")
    await desk.fill_in(f"{HOME}/blackouts/new", first_day="2031-01-01", last_day="2031-01-19", **{"weekday-3": "on"})
    await desk.fill_in(f"{HOME}/coupons/new", code="HALF-26", worth="50")

    for what, mine, theirs in (
        ("staff/anna-berg", {"name": "Anna Lind", **single}, {"serves-yoga": "on", "off-0-day": "2031-01-01", **shift}),
        ("staff/anna-berg", {"serves-yoga": "", "w-0-ends": "13:00"}, {"d-0-gone": "on", "off-1-day": "2031-01-02"}),
        ("blackouts/1", {"weekday-3": "", "weekday-4": "on"}, {"last_day": "", "for_ever": "on", "weekday-0": "on"}),
        ("coupons/1", {"takes": "amount", "worth": "20.00"}, {"uses_max": "7", "is_active": ""}),
    ):
        path = f"{HOME}/{what}"
        slower = fields_of(await desk.get(path))
        saved = await desk.post(path, slower | theirs)
        told = await desk.post(path, slower | mine)

        assert (saved.status_code, told.status_code) == (303, 422), text_of(saved)
        fields, shown = fields_of(told), mine | theirs
        shown.pop("d-0-gone", None)  # the row is not there any more
        assert {name: fields.get(name, "") for name in shown} == shown
        assert (await desk.post(path, fields)).status_code == 303

    assert [shift.day for shift in (await desk.schedule()).shifts if shift.day] == []


@pytest.mark.parametrize(
    ("what", "field", "wrong", "theirs"),
    [
        ("services/yoga", "length_min", "0", {"capacity": "14"}),
        ("staff/anna-berg", "name", "", {"email": "anna@example.org"}),
        ("blackouts/1", "first_day", "", {"reason": "Paint"}),
        (f"services/yoga/calendar?week={DAY}", "copies", "many", {f"closed-{slot().id}": "on"}),
    ],
)
async def test_a_mistake_does_not_hide_what_somebody_else_saved_meanwhile(
    desk: Desk, what: str, field: str, wrong: str, theirs: dict[str, str]
) -> None:
    await desk.fill_in(f"{HOME}/staff/new", name="Anna Berg")
    await desk.fill_in(f"{HOME}/blackouts/new", first_day="2031-01-01")
    path = f"{HOME}/{what}"
    slower = fields_of(await desk.get(path))
    await desk.post(path, slower | theirs)

    mistaken = await desk.post(path, slower | {field: wrong})
    told = await desk.post(path, fields_of(mistaken) | {field: slower[field]})

    assert mistaken.status_code == 422
    assert "Somebody saved" not in text_of(mistaken), "that is told once it would be lost"
    assert "Somebody saved" in text_of(told)
    assert (await desk.post(path, fields_of(told))).status_code == 303


async def test_staff_are_added_with_their_shifts_and_changed(desk: Desk) -> None:
    fields = fields_of(await desk.get(f"{HOME}/staff/new")) | {"name": "Anna Berg", "serves-yoga": "on"}
    weekly = {"w-0-day": str(DAY.weekday()), "w-0-starts": "08:00", "w-0-ends": "12:00"}

    answer = await desk.post(f"{HOME}/staff/new", fields | weekly | {"off-0-day": "2030-01-01"})

    assert path_of(answer) == f"{HOME}/staff/anna-berg?saved=1"
    schedule = await desk.schedule()
    assert schedule.staff["anna-berg"].services == {"yoga"}
    assert [(s.weekday, s.starts.hour) for s in schedule.shifts] == [(DAY.weekday(), 8)]
    assert [str(off.day) for off in schedule.days_off] == ["2030-01-01"]
    gone = await desk.fill_in(f"{HOME}/staff/anna-berg", w_0_gone="on", off_0_gone="on", email="anna@example.org")
    assert path_of(gone) == f"{HOME}/staff/anna-berg?saved=1"
    assert ((await desk.schedule()).shifts, (await desk.schedule()).days_off) == ((), ())
    assert "No shifts yet" in text_of(await desk.get(f"{HOME}/staff"))


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"name": ""}, "Give a name"),
        ({"email": "nobody"}, "not an e-mail address"),
        ({"w-0-starts": "08:00"}, "Enter when it starts"),
        ({"d-0-starts": "08:00", "d-0-ends": "09:00"}, "Choose a date"),
        ({"d-0-day": "2030-01-01"}, "Enter when it starts"),
        ({"off-0-day": "tomorrow"}, "Choose a date"),
        ({"d-0-day": "2030-01-01", "d-0-starts": "08:00", "d-0-ends": "08:00"}, "Start and end are the same"),
    ],
)
async def test_what_is_wrong_about_staff_is_told(desk: Desk, typed: dict[str, str], told: str) -> None:
    fields = fields_of(await desk.get(f"{HOME}/staff/new")) | {"name": "Anna"} | typed

    answer = await desk.post(f"{HOME}/staff/new", fields)

    assert answer.status_code == 422
    assert told in text_of(answer)
    assert {name: fields_of(answer)[name] for name in typed} == typed
    assert (await desk.schedule()).staff == {}


async def let_anna_serve(desk: Desk) -> None:
    fields = fields_of(await desk.get(f"{HOME}/staff/new")) | {"name": "Anna", "serves-yoga": "on"}
    shifts = {f"w-{n}-{field}": value for n in range(7) for field, value in _shift(n).items()}
    await desk.post(f"{HOME}/staff/new", fields | shifts)
    answer = await desk.fill_in(f"{HOME}/services/yoga", capacity_rule="by_shift", capacity="3")
    assert answer.status_code == 303, text_of(answer)
    desk.forget()


def _shift(weekday: int) -> dict[str, str]:
    return {"day": str(weekday), "starts": "08:00", "ends": "12:00"}


async def test_a_shift_for_one_service_goes_with_it_and_is_not_for_all_others_then(desk: Desk) -> None:
    await let_anna_serve(desk)
    fields = fields_of(await desk.get(f"{HOME}/staff/anna")) | {"serves-talk": "on"}
    await desk.post(
        f"{HOME}/staff/anna", fields | {f"w-{n}-only-talk": "on" for n in range(7)} | {"w-6-only-yoga": "on"}
    )
    assert len((await desk.schedule()).shifts) == 7

    without_talks = fields_of(await desk.get(f"{HOME}/staff/anna"))
    del without_talks["serves-talk"]
    answer = await desk.post(f"{HOME}/staff/anna", without_talks)

    assert path_of(answer) == f"{HOME}/staff/anna?saved=1"
    assert [(shift.weekday, shift.services) for shift in (await desk.schedule()).shifts] == [(6, frozenset({"yoga"}))]


async def test_a_shift_is_not_for_what_its_member_has_never_served(desk: Desk) -> None:
    fields = fields_of(await desk.get(f"{HOME}/staff/new")) | {"name": "Anna", "serves-yoga": "on"}
    shift = {"w-0-day": "0", "w-0-starts": "08:00", "w-0-ends": "12:00", "w-0-only-talk": "on"}

    answer = await desk.post(f"{HOME}/staff/new", fields | shift)

    assert answer.status_code == 422
    assert "They do not serve this: First talk." in text_of(answer)
    assert fields_of(answer)["w-0-only-talk"] == "on"
    assert (await desk.schedule()).staff == {}


async def test_the_form_says_which_services_a_shift_is_for(desk: Desk) -> None:
    fields = fields_of(await desk.get(f"{HOME}/staff/new")) | {"name": "Anna", "serves-yoga": "on", "serves-talk": "on"}
    await desk.post(f"{HOME}/staff/new", fields | {"w-0-starts": "08:00", "w-0-ends": "12:00", "w-0-only-talk": "on"})

    page = await desk.get(f"{HOME}/staff/anna")

    assert "For First talk" in text_of(page)
    assert "For all that they serve" in text_of(page)
    assert [name for name in fields_of(page) if "only" in name] == ["w-0-only-talk"]
    assert path_of(await desk.post(f"{HOME}/staff/anna", fields_of(page))) == f"{HOME}/staff/anna?saved=1"
    assert [shift.services for shift in (await desk.schedule()).shifts] == [frozenset({"talk"})]


async def test_a_day_off_asks_what_becomes_of_who_has_booked(desk: Desk) -> None:
    await let_anna_serve(desk)
    assert (await desk.schedule()).services["yoga"].capacity_rule is CapacityRule.BY_SHIFT
    ben = desk.house.guest()
    await ben.hold((slot(), 2))

    asked = await desk.fill_in(f"{HOME}/staff/anna", off_0_day=str(DAY))

    assert asked.status_code == 422
    assert "What shall become of them?" in text_of(asked)
    assert "nobody would be there" in text_of(asked)
    answer = await desk.post(f"{HOME}/staff/anna", fields_of(asked) | {"choice": "keep"})
    assert path_of(answer) == f"{HOME}/staff/anna?saved=1"
    assert len((await desk.schedule()).days_off) == 1


async def test_a_day_off_that_is_to_go_still_goes_after_something_else_was_asked(desk: Desk) -> None:
    await let_anna_serve(desk)
    await desk.fill_in(f"{HOME}/staff/anna", off_0_day="2030-01-01")
    desk.forget()
    await desk.house.guest().hold((slot(), 2))

    asked = await desk.fill_in(f"{HOME}/staff/anna", off_0_gone="on", off_1_day=str(DAY))
    assert "What shall become of them?" in text_of(asked)
    await desk.post(f"{HOME}/staff/anna", fields_of(asked) | {"choice": "keep"})

    assert [off.day for off in (await desk.schedule()).days_off] == [DAY]


async def test_a_blackout_shows_who_has_booked_and_cancels_them_if_wanted(desk: Desk) -> None:
    anna = desk.house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm("Anna Berg")

    asked = await desk.fill_in(f"{HOME}/blackouts/new", first_day=str(DAY), reason="Paint")

    assert asked.status_code == 422
    assert "Anna Berg" in text_of(asked)
    assert (await desk.schedule()).blackouts == ()
    assert fields_of(asked)["reason"] == "Paint"
    saved = await desk.post(f"{HOME}/blackouts/new", fields_of(asked) | {"choice": "cancel"})
    assert path_of(saved) == f"{HOME}/blackouts?saved=1"
    assert (await anna.order()).json()["order"]["bookings"][0]["state"] == "cancelled"


async def test_a_blackout_with_all_there_is_comes_back_as_typed_and_goes(desk: Desk) -> None:
    typed = {
        "whose": "service:yoga",
        "first_day": "2030-12-24",
        "last_day": "2030-12-26",
        "yearly": "on",
        "span-starts": "08:00",
        "span-ends": "09:00",
        "weekday-1": "on",
        "reason": "Christmas",
    }
    await desk.fill_in(f"{HOME}/blackouts/new", **typed)
    (stored,) = (await desk.schedule()).blackouts
    path = f"{HOME}/blackouts/{stored.id}"

    fields = fields_of(await desk.get(path))

    assert {name: fields[name] for name in typed} == typed
    assert path_of(await desk.fill_in(path, reason="Xmas")) == f"{HOME}/blackouts?saved=1"
    assert "Xmas" in text_of(await desk.get(f"{HOME}/blackouts"))


def test_a_blackout_past_midnight_is_not_over_at_midnight() -> None:
    by_day = Blackout(DAY, DAY, starts=time(8), ends=time(9))
    by_night = Blackout(DAY, DAY, starts=time(22), ends=time(6))

    assert [is_over(one, DAY + timedelta(days=1)) for one in (by_day, by_night)] == [True, False]
    assert [is_over(one, DAY + timedelta(days=2)) for one in (by_day, by_night)] == [True, True]


async def test_a_blackout_that_was_taken_away_comes_back_as_it_was(desk: Desk) -> None:
    typed = {"first_day": "2030-12-24", "last_day": "2030-12-26", "weekday-1": "on", "reason": "Christmas"}
    await desk.fill_in(f"{HOME}/blackouts/new", **typed)
    (stored,) = (await desk.schedule()).blackouts
    shown = fields_of(await desk.get(f"{HOME}/blackouts"))

    removals = [await desk.post(f"{HOME}/blackouts/{stored.id}/removal", shown) for _ in range(2)]
    assert (await desk.schedule()).blackouts == ()
    for removed in removals:
        assert "Taken away." in text_of(removed)
        assert path_of(await desk.post(f"{HOME}/blackouts/new", fields_of(removed))) == f"{HOME}/blackouts?saved=1"

    (again,) = (await desk.schedule()).blackouts
    assert replace(again, id=stored.id) == stored
    unknown = await desk.post(f"{HOME}/blackouts/{again.id}0/removal", {"form_token": shown["form_token"]})
    assert unknown.status_code == 404


async def test_who_has_booked_meanwhile_is_shown_before_a_blackout_comes_back(desk: Desk) -> None:
    await desk.fill_in(f"{HOME}/blackouts/new", first_day=str(DAY))
    (stored,) = (await desk.schedule()).blackouts
    shown = fields_of(await desk.get(f"{HOME}/blackouts"))
    removed = await desk.post(f"{HOME}/blackouts/{stored.id}/removal", shown)
    desk.forget()
    anna = desk.house.guest()
    await anna.hold()
    await anna.confirm("Anna Berg")

    asked = await desk.post(f"{HOME}/blackouts/new", fields_of(removed))

    assert asked.status_code == 422
    assert "Anna Berg" in text_of(asked)
    for said in (
        "Undo: put the blackout back",
        "You have taken this blackout away, and wanted it back.",
        "Put the blackout back",
    ):
        assert said in text_of(asked)
    nobody_chose = await desk.post(f"{HOME}/blackouts/new", fields_of(asked))
    assert "Before it is back" in text_of(nobody_chose), "it is the undo still"
    await desk.post(f"{HOME}/blackouts/new", fields_of(asked) | {"choice": "keep"})
    assert len((await desk.schedule()).blackouts) == 1
    assert "bookings kept: 1" in text_of(await desk.get(f"{HOME}/audit-log"))
    assert "taken this blackout away" not in text_of(await desk.get(f"{HOME}/blackouts/new"))


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"first_day": ""}, "Choose the day on which it begins"),
        ({"last_day": "2029-12-31"}, "not before the first one"),
        ({"whose": "service:golf"}, "Choose one from the list"),
        ({"span-starts": "8"}, "Enter when it starts"),
        ({"yearly": "on", "last_day": "2031-06-01"}, "lasts less than a year"),
        ({"yearly": "on", "for_ever": "on"}, "cannot come back every year"),
        ({"reason": "x" * 201}, "at most 200 characters"),
        ({"last_day": "2030-01-06", "weekday-0": "on"}, "None of its days is one of these weekdays"),
    ],
)
async def test_what_is_wrong_about_a_blackout_is_told(desk: Desk, typed: dict[str, str], told: str) -> None:
    answer = await desk.fill_in(f"{HOME}/blackouts/new", **{"first_day": "2030-01-01"} | typed)

    assert answer.status_code == 422
    assert told in text_of(answer)
    assert (await desk.schedule()).blackouts == ()


async def test_the_way_to_the_first_booking_is_ticked_off_when_the_widget_is_seen(desk: Desk) -> None:
    await desk.house.change_service(replace(PRIVATE, price=FREE))
    before = text_of(await desk.get(f"{HOME}/start"))
    await desk.get("/w/studio?host=https://stranger.example")
    assert text_of(await desk.get(f"{HOME}/start")) == before

    await desk.house.client.get(f"/w/studio?host={ORIGIN}")

    assert "3 of 5 steps" in before
    assert "No website may show" not in text_of(await desk.get(HOME))
    await desk.fill_in(f"{HOME}/settings", origins="")
    assert "No website may show the widget yet." in text_of(await desk.get(HOME)), "others can book all the same"
    await desk.fill_in(f"{HOME}/settings", origins=ORIGIN)
    assert f"All is set up. Your widget was seen on {ORIGIN}" in text_of(await desk.get(f"{HOME}/start"))


PAGES = (
    "start",
    "services",
    "services/new",
    "services/yoga",
    "services/yoga/calendar",
    "staff",
    "staff/new",
    "staff/anna",
    "blackouts",
    "blackouts/new",
    "blackouts/1",
)


@pytest.mark.parametrize("path", PAGES)
async def test_pages_of_another_site_are_not_there(desk: Desk, path: str) -> None:
    await let_anna_serve(desk)
    await desk.fill_in(f"{HOME}/blackouts/new", first_day="2030-01-01")
    page = await desk.get(f"{HOME}/{path}")
    assert page.status_code == 200
    fields = fields_of(page)
    await sign_in(desk.house, await desk.house.found("other"))
    fields["form_token"] = fields_of(await desk.get("/admin/sites/other/services/new"))["form_token"]

    assert (await desk.get(f"{HOME}/{path}")).status_code == 404
    assert (await desk.post(f"{HOME}/{path}", fields)).status_code in (404, 405)


async def test_forms_from_elsewhere_are_refused(desk: Desk) -> None:
    fields = fields_of(await desk.get(CALENDAR))
    before = await desk.schedule()

    elsewhere = await desk.house.client.post(CALENDAR, data=fields, headers={"sec-fetch-site": "cross-site"})
    forged = await desk.post(CALENDAR, fields | {"form_token": "x" * 22})

    assert (elsewhere.status_code, forged.status_code) == (403, 403)
    assert (await desk.schedule()).version == before.version
