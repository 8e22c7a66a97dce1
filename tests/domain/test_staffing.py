from dataclasses import replace
from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.domain.schedules import BERLIN, by_shift, crew, daily, member, schedule, service
from tests.domain.test_schedule import AUTUMN, SATURDAY, SPRING
from widget_server.domain.schedule import Blackout, DayOff, Schedule, Service, Shift

SUNDAY = SATURDAY + timedelta(days=1)
PIA = Shift("pia", time(9), time(12), weekday=5)
QUINN = Shift("quinn", time(10), time(14), day=SATURDAY)


def rota(
    *shifts: Shift, of: Service | None = None, zone: ZoneInfo = BERLIN, opens: time = time(9), closes: time = time(15)
) -> Schedule:
    offered = schedule(daily("talk", opens, closes), of or by_shift(), zone=zone)
    return replace(offered, staff=crew(member("pia"), member("quinn")), shifts=shifts)


def rosters(offered: Schedule, day: date = SATURDAY) -> dict[str, str]:
    """Who serves, by what the clock on the wall shows when a slot starts."""
    return {
        f"{o.slot.starts_at.astimezone(offered.zone):%H:%M}": " ".join(
            name.removeprefix("staff/") for need in o.needs for name in need.candidates
        )
        for o in offered.slots_on("talk", day)
    }


def test_a_slot_is_offered_with_all_whose_shifts_cover_it() -> None:
    assert rosters(rota(PIA, QUINN)) == {
        "09:00": "pia",
        "10:00": "pia quinn",
        "11:00": "pia quinn",
        "12:00": "quinn",
        "13:00": "quinn",
    }


def test_seats_are_those_that_all_on_the_roster_can_serve() -> None:
    offered = rota(PIA, QUINN, of=by_shift(seats_each=3))

    assert [o.capacity for o in offered.slots_on("talk", SATURDAY)] == [3, 6, 6, 3, 3]
    assert {need.seats_each for o in offered.slots_on("talk", SATURDAY) for need in o.needs} == {3}


def test_a_shift_that_covers_a_slot_in_part_serves_nobody() -> None:
    assert rosters(rota(Shift("pia", time(9, 15), time(11, 45), day=SATURDAY))) == {"10:00": "pia"}


def test_shifts_that_adjoin_or_overlap_cover_a_slot_together() -> None:
    early = Shift("pia", time(9), time(10, 30), weekday=5)
    late = Shift("pia", time(10, 30), time(12), day=SATURDAY)

    assert rosters(rota(early, late)) == {"09:00": "pia", "10:00": "pia", "11:00": "pia"}
    assert rosters(rota(early, replace(late, staff="quinn"))) == {"09:00": "pia", "11:00": "quinn"}
    assert rosters(rota(early, replace(late, starts=time(10, 35)))) == {"09:00": "pia", "11:00": "pia"}


def test_a_shift_over_midnight_serves_the_next_morning() -> None:
    night = Shift("pia", time(22), time(2), day=SATURDAY)
    offered = rota(night, opens=time(0), closes=time(0))

    assert rosters(offered) == {"22:00": "pia", "23:00": "pia"}
    assert rosters(offered, SUNDAY) == {"00:00": "pia", "01:00": "pia"}


def test_on_a_day_off_weekly_shifts_do_not_count_and_dated_ones_do() -> None:
    offered = replace(rota(PIA, QUINN), days_off=(DayOff("pia", SATURDAY), DayOff("quinn", SATURDAY)))

    assert set(rosters(offered).values()) == {"quinn"}
    assert set(rosters(offered, SATURDAY + timedelta(days=7)).values()) == {"pia"}


def test_a_blackout_of_one_member_takes_them_off_and_leaves_the_others() -> None:
    doctor = Blackout(SATURDAY, SATURDAY, staff="pia", starts=time(10, 30), ends=time(11))
    offered = replace(rota(PIA, QUINN), blackouts=(doctor,))

    assert rosters(offered) == {
        "09:00": "pia",
        "10:00": "quinn",
        "11:00": "pia quinn",
        "12:00": "quinn",
        "13:00": "quinn",
    }


def test_who_does_not_serve_the_service_or_has_left_is_on_no_roster() -> None:
    offered = rota(PIA, QUINN)
    staff = crew(member("pia", "yoga"), replace(member("quinn"), is_active=False))

    assert rosters(replace(offered, staff=staff)) == {}
    assert rosters(replace(offered, staff={})) == {}


def test_a_shift_for_some_services_serves_no_others() -> None:
    services = {"talk": by_shift(), "yoga": by_shift("yoga")}
    offered = replace(
        schedule([*daily("talk", time(9), time(11)), *daily("yoga", time(9), time(11))], *services.values()),
        staff=crew(member("pia", "talk", "yoga"), member("quinn", "talk")),
        shifts=(
            replace(PIA, services=frozenset({"yoga"})),
            Shift("quinn", time(9), time(10), weekday=5, services=frozenset({"yoga", "talk"})),
        ),
    )

    assert [o.needs[0].candidates for o in offered.slots_on("yoga", SATURDAY)] == [("staff/pia",)] * 2
    assert rosters(offered) == {"09:00": "quinn"}


def test_people_are_busy_with_buffers_which_neither_shift_nor_blackout_looks_at() -> None:
    tidy = replace(by_shift(), buffer_before_min=10, buffer_after_min=20)
    shift = Shift("pia", time(9), time(10), day=SATURDAY)
    pause = Blackout(SATURDAY, SATURDAY, staff="pia", starts=time(10), ends=time(10, 30))

    (only,) = replace(rota(shift, of=tidy), blackouts=(pause,)).slots_on("talk", SATURDAY)

    assert only.needs[0].busy_from == only.slot.starts_at - timedelta(minutes=10)
    assert only.needs[0].busy_until == only.slot.ends_at + timedelta(minutes=20)


def test_a_service_of_fixed_capacity_asks_for_nobody() -> None:
    offered = replace(schedule(daily("talk", time(9), time(10)), service("talk")), staff=crew(member("pia")))

    (only,) = offered.slots_on("talk", SATURDAY)

    assert (only.capacity, only.needs) == (12, ())


def test_in_spring_and_autumn_a_shift_is_as_long_as_the_clock_on_the_wall_says() -> None:
    offered = rota(*(Shift("pia", time(1), time(4), weekday=n) for n in range(7)), opens=time(0), closes=time(0))

    assert [len(offered.slots_on("talk", day)) for day in (SATURDAY, SPRING, AUTUMN)] == [3, 2, 4]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Asia/Kathmandu", date(2026, 3, 29), 24),
        ("Pacific/Apia", date(2011, 12, 30), 0),
        ("Pacific/Apia", date(2011, 12, 31), 24),
    ],
)
def test_who_is_always_on_shift_serves_every_half_hour_of_every_day_there_is(
    zone: str, day: date, hours: float
) -> None:
    always = [Shift("pia", time(0), time(0), weekday=n) for n in range(7)]
    offered = rota(*always, of=by_shift(length_min=30), zone=ZoneInfo(zone), opens=time(0), closes=time(0))

    slots = offered.slots_on("talk", day)

    assert len(slots) == hours * 2
    for one in slots:
        (need,) = one.needs
        assert (need.day_until - need.day_from).total_seconds() == hours * 3600


def test_a_month_of_forty_people_in_quarters_of_an_hour_is_worked_out_once() -> None:
    names = [f"person-{number}" for number in range(40)]
    shifts = tuple(
        Shift(name, time(6 + number % 4), time(22), day=date(2026, 1, 1) + timedelta(days=n))
        for number, name in enumerate(names)
        for n in range(365)
    )
    lunch = tuple(Blackout(SATURDAY, None, staff=name, starts=time(12), ends=time(12, 30)) for name in names[:20])
    offered = replace(
        schedule(daily("talk", time(0), time(0)), by_shift(length_min=15)),
        staff=crew(*(member(name) for name in names)),
        shifts=shifts,
        blackouts=lunch,
    )

    month = offered.slots_between("talk", date(2026, 12, 1), date(2026, 12, 31))
    again = offered.slots_between("talk", date(2026, 12, 1), date(2026, 12, 31))

    assert len(month) == 31 * 16 * 4
    assert {one.capacity for one in month} == {10, 20, 30, 40}
    assert all(a is b for a, b in zip(month, again, strict=True))
