"""Booking by phone: by the same way as visitors book, and nothing that was typed is lost on the way."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest

from tests.house import PRIVATE, SITE, House, slot
from tests.store.studio import TALK, YOGA
from tests.web.desks import Desk, desk_in
from tests.web.rooms import fields_of
from widget_server.domain.audit_log import Deed
from widget_server.domain.questions import Question, QuestionKind
from widget_server.ids import new_id

pytestmark = pytest.mark.anyio

NEW = "/bookings/new"


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with desk_in(house) as desk:
        yield desk


def typed(**changes: Any) -> dict[str, str]:
    fields = {"id": new_id(), "service": "yoga", "day": f"{slot().starts_at:%Y-%m-%d}", "slot": slot().id}
    return {**fields, "seats": "2", "name": "Anna Berg", "email": "", "attendees": "", **changes}


async def test_an_empty_day_begins_with_what_is_free(desk: Desk) -> None:
    answer = await desk.get(f"{NEW}?slot={slot().id}")

    assert answer.text.count("12 seats left") == 4
    assert re.search(rf'value="{re.escape(slot().id)}" checked', answer.text)


async def test_what_cannot_be_booked_cannot_be_chosen(house: House, desk: Desk) -> None:
    await house.guest().hold(slot(TALK))
    guest = house.guest()
    await guest.hold(slot(TALK, number=1))
    await guest.confirm()

    page = (await desk.get(f"{NEW}?service=talk&day={slot(TALK).starts_at:%Y-%m-%d}")).text

    assert re.search(rf'value="{re.escape(slot(TALK).id)}" disabled>.*?held, may free up', page, re.DOTALL)
    assert re.search(rf'value="{re.escape(slot(TALK, number=1).id)}" disabled>.*?full', page, re.DOTALL)


async def test_a_time_that_is_over_is_past_and_not_closed(desk: Desk) -> None:
    page = (await desk.get(f"{NEW}?day={datetime.now(UTC).date() - timedelta(days=1)}")).text

    assert (page.count("<span>past</span>"), page.count("<span>closed</span>")) == (4, 0)


async def test_booked_by_phone_is_an_order_whose_link_opens_it(house: House, desk: Desk) -> None:
    form = typed(email="anna@example.org", attendees="Anna Berg\n\nKim"[:9] + "\nKim")

    answer = await desk.post(NEW, **form)

    assert answer.headers["location"] == f"/admin/sites/studio/orders/{form['id']}?done=booked"
    page = (await desk.get(f"/orders/{form['id']}?done=booked")).text
    link = unescape(re.search(r'id="order-link">([^<]+)<', page)[1])  # type: ignore[index]
    assert link.startswith(f"http://localhost:8000/o/studio/{form['id']}#")
    secret = link.partition("#")[2]
    order = (await house.guest().send("GET", f"/orders/{form['id']}", secret=secret)).json()["order"]
    assert order["customer"] == {"name": "Anna Berg", "email": "anna@example.org"}
    assert order["bookings"][0]["attendees"] == ["Anna", "Kim"]
    assert ((await house.seats()).booked, await house.booked_in_sql()) == (2, 2)
    (entry,) = await desk.entries()
    assert (entry.deed, entry.about, entry.detail["seats"]) == (Deed.BOOKED_BY_PHONE, form["id"], 2)
    assert "Anna" not in str(entry.detail)


async def test_the_same_form_sent_twice_books_once(house: House, desk: Desk) -> None:
    form = typed()

    answers = await asyncio.gather(*(desk.post(NEW, **form) for _ in range(3)))

    assert {answer.headers["location"] for answer in answers} == {
        f"/admin/sites/studio/orders/{form['id']}?done=booked"
    }
    assert await house.booked_in_sql() == 2
    assert len(await desk.entries()) == 1


async def test_enter_shows_the_times_of_a_day_before_one_is_chosen_and_books_after_that(desk: Desk) -> None:
    page, there = (await desk.get(NEW)).text, slot(day=1)
    pressed = re.search(r'action="[^"]+/bookings/new".*?<button[^>]* name="action" value="(\w+)"', page, re.DOTALL)
    assert pressed is not None
    enter = typed(action=pressed[1], day=f"{there.starts_at:%Y-%m-%d}", slot="", name="")

    times = await desk.post(NEW, **enter)
    assert (times.status_code, there.id in times.text, "Choose a time." in times.text) == (200, True, False)
    assert "Who is it for?" in (await desk.post(NEW, **enter | {"slot": there.id})).text
    assert "Choose a time." in (await desk.post(NEW, **enter | {"name": "Anna Berg"})).text
    assert (await desk.post(NEW, **enter | {"slot": there.id, "name": "Anna Berg"})).status_code == 303


@pytest.mark.parametrize("other", [{"name": "Ben Oak"}, {"slot": slot(number=2).id}, {"seats": "1"}])
async def test_another_form_under_the_same_id_books_nothing_more(
    house: House, desk: Desk, other: dict[str, str]
) -> None:
    form = typed()
    await desk.post(NEW, **form)

    answer = await desk.post(NEW, **{**form, **other})

    assert answer.status_code == 409
    assert f'<a href="/admin/sites/studio/orders/{form["id"]}">an order</a> of this already' in answer.text
    assert (await house.booked_in_sql(), await house.booked_in_sql(slot(number=2))) == (2, 0)
    again = fields_of_post(answer.text)
    assert {**form, **other}.items() <= (again | {"id": form["id"]}).items(), "nothing typed is lost"
    assert (await desk.post(NEW, **again)).headers["location"].endswith(f"/orders/{again['id']}?done=booked")


async def test_holds_may_be_off(house: House, desk: Desk) -> None:
    await house.change_settings(holds_on=False)

    assert (await desk.post(NEW, **typed())).status_code == 303
    assert await house.booked_in_sql() == 2


async def test_when_it_is_full_meanwhile_all_that_was_typed_stays(house: House, desk: Desk) -> None:
    for _ in range(2):
        await house.guest().hold((slot(), 6))
    form = typed(email="anna@example.org", attendees="Anna\nKim")

    answer = await desk.post(NEW, **form)

    assert answer.status_code == 409
    assert "All seats are taken." in answer.text
    shown = fields_of_post(answer.text)
    assert {name: shown[name] for name in ("name", "email", "seats", "attendees")} == {
        name: form[name] for name in ("name", "email", "seats", "attendees")
    }
    assert shown["id"] != form["id"], "what was refused is over: the next try is another one"
    assert "held, may free up" in answer.text
    assert (await desk.post(NEW, **{**shown, "slot": slot(number=1).id})).status_code == 303


async def test_another_day_or_service_keeps_all_that_was_typed(house: House, desk: Desk) -> None:
    form, tomorrow = typed(email="anna@example.org", attendees="Anna\nKim"), slot(day=1)
    wanted = {"day": f"{tomorrow.starts_at:%Y-%m-%d}", "action": "times"}

    answer = await desk.post(NEW, **form | wanted)

    assert answer.status_code == 200
    shown = fields_of_post(answer.text)
    assert {name: shown[name] for name in ("id", "name", "email", "seats", "attendees")} == {
        name: form[name] for name in ("id", "name", "email", "seats", "attendees")
    }
    assert "slot" not in shown, "the time that was chosen is of another day"
    assert tomorrow.id in answer.text
    assert 'class="card times" tabindex="-1" data-focus' in answer.text, "for those who go by the keyboard"
    assert (await desk.post(NEW, **shown | {"slot": tomorrow.id})).status_code == 303
    assert (await house.booked_in_sql(), await house.booked_in_sql(tomorrow)) == (0, 2)


@pytest.mark.parametrize("day", ["", "20260-12-01"])
async def test_times_of_no_day_are_not_said_to_be_taken(desk: Desk, day: str) -> None:
    answer = await desk.post(NEW, **typed() | {"day": day, "action": "times"})

    assert answer.status_code == 422
    assert "Choose a day." in answer.text
    assert "Everything is taken" not in answer.text


@pytest.mark.parametrize("other", [{"service": "talk"}, {"day": "2030-01-07"}, {"day": ""}])
async def test_nothing_is_booked_of_another_day_or_service_than_are_chosen(
    house: House, desk: Desk, other: dict[str, str]
) -> None:
    answer = await desk.post(NEW, **typed() | other | {"seats": "1"})

    assert answer.status_code == 422
    assert "Choose a time." in answer.text
    assert fields_of_post(answer.text)["name"] == "Anna Berg"
    assert await house.booked_in_sql() == 0


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("name", " ", "Who is it for?"),
        ("name", "A" * 121, "Who is it for?"),
        ("email", "anna@", "This is not an e-mail address"),
        ("seats", "0", "Between 1 and 6."),
        ("seats", "7", "Between 1 and 6."),
        ("seats", "two", "Between 1 and 6."),
        ("attendees", "Anna\nKim\nLee", "There are more names than seats: 3 for 2."),
        ("attendees", "A" * 121, "One name on each line"),
        ("slot", "", "Choose a time."),
        ("slot", "odd", "Choose a time."),
    ],
)
async def test_mistakes_stand_beside_their_field(house: House, desk: Desk, field: str, value: str, told: str) -> None:
    answer = await desk.post(NEW, **typed(**{field: value}))

    assert answer.status_code == 422
    assert told in answer.text
    assert f'id="{field}-error"' in answer.text
    assert await house.booked_in_sql() == 0


async def test_what_visitors_are_refused_is_refused_here_too(house: House, desk: Desk) -> None:
    priced, gone = slot(PRIVATE), slot(day=-9)
    for of, told in ((priced, "payments are not set up"), (gone, "This time")):
        answer = await desk.post(
            NEW, **typed(service=of.service, day=f"{of.starts_at:%Y-%m-%d}", slot=of.id, seats="1")
        )

        assert answer.status_code == 409
        assert told in answer.text
        assert 'value="Anna Berg"' in answer.text


async def test_without_redis_nothing_is_lost_and_the_same_may_be_sent_again(house: House, desk: Desk) -> None:
    form = typed()
    await house.redis.read(("HSET", f"{{tenuto}}:{SITE}:gate", "state", "REBUILDING", "until_ms", "99999999999999"))

    answer = await desk.post(NEW, **form)

    assert answer.status_code == 503
    assert "Nothing is lost" in answer.text
    assert f'name="id" value="{form["id"]}"' in answer.text


async def test_orders_that_visitors_made_show_no_link(house: House, desk: Desk) -> None:
    guest = house.guest()
    await guest.hold()
    await guest.confirm()

    assert "order-link" not in (await desk.get(f"/orders/{guest.id}")).text


def fields_of_post(page: str) -> dict[str, str]:
    """Of the form that books, without the one that chooses the day."""

    class Page:
        text = page[page.index('method="post" action="/admin/sites/studio/bookings/new"') :]

    return fields_of(Page)  # type: ignore[arg-type]


ASKED = (
    Question("level", "Your level?", QuestionKind.CHOICE, True, ("New", "Much")),
    Question("knee", "Any injuries?", QuestionKind.LONG_TEXT, False),
    Question("mat", "Bring a mat?", QuestionKind.YES_NO, False),
    Question("from", "Whence?", QuestionKind.TEXT, False),
)


async def test_what_the_service_asks_is_asked_and_answers_stand_at_the_order(house: House, desk: Desk) -> None:
    await house.change_service(replace(YOGA, questions=ASKED))
    page = (await desk.get(f"{NEW}?slot={slot().id}")).text
    assert all(question.text in page for question in ASKED)
    assert "Customers have to answer this. Here it may be left out." in page

    form = typed() | {"answer-level": "Much", "answer-knee": "My knee", "answer-mat": "no", "answer-from": ""}
    assert (await desk.post(NEW, **form)).status_code == 303
    _, (line,) = await house.parts.use_cases.dashboard.order(await house.site(), form["id"])
    assert [(one.question, one.answer) for one in line.answers] == [
        ("Your level?", "Much"),
        ("Any injuries?", "My knee"),
        ("Bring a mat?", False),
    ]
    again = await desk.post(NEW, **form)
    assert again.headers["location"].endswith("?done=booked")
    assert (await desk.post(NEW, **form | {"answer-mat": "yes"})).status_code == 409


async def test_staff_may_leave_all_of_it_out_but_what_does_not_fit_is_said_and_kept(house: House, desk: Desk) -> None:
    await house.change_service(replace(YOGA, questions=ASKED))

    for wrong in ({"answer-level": "Some"}, {"answer-from": "x" * 201}, {"answer-knee": "a\x07b"}):
        answer = await desk.post(NEW, **typed() | {"answer-knee": "My knee"} | wrong)
        assert answer.status_code == 422
        assert f'id="{next(iter(wrong))}-error"' in answer.text
        assert "My knee" in answer.text or "answer-knee" in wrong
    assert await house.booked_in_sql() == 0
    assert (await desk.post(NEW, **typed())).status_code == 303


async def test_whoever_books_a_hold_for_its_visitor_is_asked_as_well(house: House, desk: Desk) -> None:
    await house.change_service(replace(YOGA, questions=ASKED))
    guest = house.guest()
    await guest.hold()

    form = fields_of(await desk.get(f"/live/{guest.id}/booking")) | {"name": "Anna Berg", "answer-level": "New"}
    assert "answer-knee" in form
    assert (await desk.post(f"/live/{guest.id}/booking", **form)).status_code == 303
    _, (line,) = await house.parts.use_cases.dashboard.order(await house.site(), guest.id)
    assert [one.answer for one in line.answers] == ["New"]
