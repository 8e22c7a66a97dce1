"""What services ask: edited by operators without losing a word, answered by customers, and kept with the booking."""

import json
from dataclasses import replace
from typing import Any

import pytest
from httpx2 import Response as Answered

from tests.house import SITE, Guest, House, refused, slot
from tests.store.studio import TALK, YOGA
from tests.web.desks import desk_in
from tests.web.rooms import fields_of
from tests.web.schedule_rooms import HOME, Desk, sign_in, text_of
from widget_server.domain.messages import Kind
from widget_server.domain.policies import SEATS_MAX
from widget_server.domain.questions import LONG_ANSWER_LENGTH_MAX, QUESTIONS_MAX, Question, QuestionKind
from widget_server.store.messages import Messages
from widget_server.web.taken import NAME_LENGTH_MAX

pytestmark = pytest.mark.anyio

LEVEL = Question("level", "Your level?", QuestionKind.CHOICE, is_required=True, choices=("New", "Some"))
MAT = Question("mat", "Do you bring a mat?", QuestionKind.YES_NO, is_required=False)
ASKED = [{"level": "New", "mat": True}]
SAID = [{"question": "Your level?", "answer": "New"}, {"question": "Do you bring a mat?", "answer": True}]

NO_ANSWERS: list[Any] = [
    "level",
    [["New"]],
    [{"level": 1}],
    [{"level": None}],
    [{"level": ["New"]}],
    [{"level": "Much"}],
    [{"level": "New", "mat": "yes"}],
    [{"level": "New", "shoes": "43"}],
    [{"level": "New\x00"}],
    [{"level": "N" * 2_001}],
    [{f"q{n}": "x" for n in range(11)}],
    [{}] * 21,
]

WRONG_ROWS: list[tuple[dict[str, str], str]] = [
    ({"question_1_text": " "}, "What do you want to ask?"),
    ({"question_1_text": "x" * 201}, "Use at most 200 characters."),
    ({"question_1_kind": "song"}, "Choose one of these."),
    ({"question_1_kind": "choice"}, "Write at least two choices"),
    ({"question_1_kind": "choice", "question_1_choices": "x" * 101 + "\ny"}, "100 characters for each choice"),
    (
        {"question_1_kind": "choice", "question_1_choices": "\n".join(map(str, range(21)))},
        "Use at most 20 choices.",
    ),
    ({"questions": "2", "question_2_text": "Why?", "question_2_kind": "text"}, "This is asked twice."),
]


@pytest.fixture
async def asking(house: House) -> House:
    """Yoga asks for the level, and for a mat."""
    await house.change_service(replace(YOGA, questions=(LEVEL, MAT)))
    return house


async def booked(house: House, answers: Any = ASKED) -> Guest:
    anna = house.guest()
    await anna.hold()
    assert (await anna.confirm(answers=answers)).status_code == 201
    return anna


async def answers_of(anna: Guest) -> Any:
    return (await anna.order()).json()["order"]["bookings"][0]["answers"]


async def test_services_tell_what_they_ask(asking: House) -> None:
    listed = (await asking.client.get(f"/v1/sites/{SITE}/services")).json()["services"]

    asked = {service["id"]: service["questions"] for service in listed}
    assert asked["yoga"] == [
        {"id": "level", "text": "Your level?", "kind": "choice", "required": True, "choices": ["New", "Some"]},
        {"id": "mat", "text": "Do you bring a mat?", "kind": "yes_no", "required": False, "choices": []},
    ]
    assert asked["talk"] == []


async def test_answers_are_kept_as_they_were_asked_for(asking: House) -> None:
    anna = await booked(asking)
    await asking.change_service(
        replace(YOGA, questions=(replace(LEVEL, text="How good are you?", choices=("A", "B")),))
    )

    assert await answers_of(anna) == SAID


async def test_whoever_leaves_out_what_is_needed_keeps_the_hold(asking: House) -> None:
    anna = asking.guest()
    await anna.hold()

    empty: list[list[dict[str, Any]]] = [[], [{}], [{"level": " "}], [{"mat": True}]]
    for answers in empty:
        assert refused(await anna.confirm(answers=answers), 400, "invalid_request") == {"question": "level"}
    lines = anna.wanted_hold()["lines"]
    assert refused(await anna.confirm(lines=lines), 400, "invalid_request") == {"question": "level"}
    assert (await anna.look()).json()["hold"]["state"] == "held"
    assert (await anna.confirm(lines=lines, answers=ASKED)).status_code == 201


async def test_without_holds_nothing_is_taken_before_it_is_answered(asking: House) -> None:
    await asking.change_settings(holds_on=False)
    anna = asking.guest()

    refused(await anna.confirm_at_once(), 400, "invalid_request")
    assert (await asking.seats()).taken == 0
    assert (await anna.confirm_at_once(answers=ASKED)).status_code == 201


async def test_what_is_no_answer_is_refused_and_the_hold_stays(asking: House) -> None:
    anna = asking.guest()
    await anna.hold()

    for answers in NO_ANSWERS:
        refused(await anna.confirm(answers=answers), 400, "invalid_request")

    assert (await anna.look()).json()["hold"]["state"] == "held"


async def test_all_that_may_be_written_for_a_line_can_be_sent(house: House) -> None:
    asked = [Question(f"q{n}", f"{n}?", QuestionKind.LONG_TEXT, is_required=True) for n in range(QUESTIONS_MAX)]
    await house.change_service(
        replace(YOGA, capacity=SEATS_MAX, seats_per_booking_max=SEATS_MAX, questions=tuple(asked))
    )
    anna, largest = house.guest(), "\N{CJK UNIFIED IDEOGRAPH-2000B}"
    await anna.hold((slot(), SEATS_MAX))

    body = {
        "customer": {"name": largest * NAME_LENGTH_MAX},
        "attendees": [[largest * NAME_LENGTH_MAX] * SEATS_MAX],
        "answers": [{question.key: largest * LONG_ANSWER_LENGTH_MAX for question in asked}],
    }
    answer = await anna.send("POST", f"/holds/{anna.id}/confirmation", json.dumps(body, ensure_ascii=False))

    assert answer.status_code == 201, answer.text[:300]


async def test_each_line_is_asked_what_its_service_asks(asking: House) -> None:
    anna = asking.guest()
    await anna.hold(slot(TALK), slot())

    refused(await anna.confirm(answers=ASKED), 400, "invalid_request")
    answer = await anna.confirm(answers=[{}, *ASKED])

    said = {booking["service"]: booking["answers"] for booking in answer.json()["order"]["bookings"]}
    assert said == {"yoga": SAID, "talk": []}


async def test_the_same_again_is_answered_though_something_else_is_asked_by_now(asking: House) -> None:
    anna = await booked(asking)
    more = Question("more", "And why?", QuestionKind.TEXT, is_required=True)
    await asking.change_service(replace(YOGA, questions=(LEVEL, MAT, more)))

    again = await anna.confirm(answers=ASKED)

    assert again.status_code == 201
    assert again.json()["order"]["bookings"][0]["answers"] == SAID


async def test_answers_stay_when_a_booking_moves_and_go_when_it_is_erased(asking: House) -> None:
    anna = await booked(asking)
    assert (await anna.reschedule(slot(day=1))).status_code == 200
    assert await answers_of(anna) == SAID
    await anna.cancel()

    async with desk_in(asking) as desk:
        assert (await desk.post(f"/orders/{anna.id}/erasure")).status_code == 303

    assert await answers_of(anna) == []


async def test_operators_find_answers_with_the_booking_the_meeting_the_export_and_in_their_mail(asking: House) -> None:
    async with desk_in(asking) as desk:
        anna = await booked(asking, [{"level": "Some", "mat": False}])
        while await asking.parts.posting.post():
            pass

        pages = [await desk.get(path) for path in (f"/orders/{anna.id}", f"/meetings/{slot().id}", "/bookings.csv")]

        for page in pages:
            assert "Your level?" in page.text
            assert "Do you bring a mat?" in page.text
        assert "Do you bring a mat? No" in pages[2].text
        found = await Messages(asking.parts.database).listed((await asking.site()).id, limit=9)
        mails = {message.kind: message.mail.plain for message in found if message.mail}
        assert "  Your level?\n    Some\n  Do you bring a mat?\n    No\n" in mails[Kind.NEW_ORDER]
        booked_by_phone = await desk.client.get(desk.path("/bookings/new"))
        assert booked_by_phone.status_code == 200


@pytest.fixture
async def desk(house: House) -> Desk:
    await sign_in(house, await house.site())
    return Desk(house)


async def press(desk: Desk, before: Answered, act: str, **typed: str) -> Answered:
    return await desk.post(f"{HOME}/services/yoga", fields_of(before) | typed | {"rearrange": act})


async def fill(desk: Desk, **typed: str) -> Answered:
    path = f"{HOME}/services/yoga"
    return await desk.post(path, fields_of(await desk.get(path)) | typed)


def texts_of(page: Answered) -> list[str]:
    fields = fields_of(page)
    return [fields[f"question_{n}_text"] for n in range(1, 1 + int(fields["questions"]))]


async def test_questions_are_added_moved_and_removed_before_anything_is_saved(desk: Desk) -> None:
    page = await desk.get(f"{HOME}/services/yoga")
    for text in ("One?", "Two?", "Three?"):
        page = await press(desk, page, "add", description="Just typed")
        count = fields_of(page)["questions"]
        page = await desk.post(
            f"{HOME}/services/yoga", fields_of(page) | {f"question_{count}_text": text, "rearrange": "down-99"}
        )
    assert texts_of(page) == ["One?", "Two?", "Three?"]

    page = await press(desk, page, "up-3")
    assert texts_of(page) == ["One?", "Three?", "Two?"]
    page = await press(desk, page, "down-1")
    assert texts_of(page) == ["Three?", "One?", "Two?"]
    page = await press(desk, page, "remove-2")
    assert texts_of(page) == ["Three?", "Two?"]

    assert page.status_code == 200
    assert fields_of(page)["description"] == "Just typed"
    assert "Not saved yet" in text_of(page)
    assert (await desk.schedule()).services["yoga"].questions == ()
    saved = await desk.post(f"{HOME}/services/yoga", fields_of(page))
    assert saved.status_code == 303, text_of(saved)
    assert [question.text for question in (await desk.schedule()).services["yoga"].questions] == ["Three?", "Two?"]


async def test_a_service_asks_up_to_ten(desk: Desk) -> None:
    page = await desk.get(f"{HOME}/services/yoga")
    for _ in range(QUESTIONS_MAX):
        assert "Add a question" in text_of(page)
        page = await press(desk, page, "add")

    assert "up to 10 questions" in text_of(page)
    assert fields_of(await press(desk, page, "add"))["questions"] == str(QUESTIONS_MAX)


async def test_everything_about_a_question_comes_back_and_its_id_stays_when_its_text_changes(desk: Desk) -> None:
    typed = {
        "questions": "1",
        "question_1_text": "Your  level?",
        "question_1_kind": "choice",
        "question_1_choices": "New\n\n Some \nNew",
        "question_1_required": "on",
    }
    await fill(desk, **typed)
    (question,) = (await desk.schedule()).services["yoga"].questions
    assert question == Question(
        question.key, "Your level?", QuestionKind.CHOICE, is_required=True, choices=("New", "Some")
    )

    page = await desk.get(f"{HOME}/services/yoga")
    assert fields_of(page)["question_1_choices"] == "New\nSome"
    await desk.post(f"{HOME}/services/yoga", fields_of(page) | {"question_1_text": "How good?"})

    assert (await desk.schedule()).services["yoga"].questions == (replace(question, text="How good?"),)


async def test_what_is_wrong_with_a_question_stands_at_it_and_all_else_is_still_there(desk: Desk) -> None:
    typed = {"questions": "1", "question_1_text": "Why?", "question_1_kind": "text", "description": "Just typed"}

    for changes, told in WRONG_ROWS:
        answer = await fill(desk, **typed | changes)

        assert answer.status_code == 422
        assert told in text_of(answer)
        assert fields_of(answer)["description"] == "Just typed"
    assert (await desk.schedule()).services["yoga"].questions == ()


async def test_a_form_with_an_odd_number_of_questions_harms_nobody(desk: Desk) -> None:
    for count in ("-1", "99", "x", "", "1e3"):
        answer = await fill(desk, questions=count)

        assert answer.status_code in (303, 422)


async def test_a_question_is_added_to_a_new_service_and_the_form_sent_twice_makes_one(desk: Desk) -> None:
    page = await desk.get(f"{HOME}/services/new")
    page = await desk.post(f"{HOME}/services/new", fields_of(page) | {"name": "Choir", "rearrange": "add"})
    assert fields_of(page)["name"] == "Choir"

    for _ in range(2):
        made = await desk.post(f"{HOME}/services/new", fields_of(page) | {"question_1_text": "Which voice?"})
        assert made.status_code == 303

    services = (await desk.schedule()).services
    assert [question.text for question in services["choir"].questions] == ["Which voice?"]
    assert "choir-2" not in services
