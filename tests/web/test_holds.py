"""Holds over HTTP: taking, looking at, renewing and giving back, and everything that is refused on the way."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.house import PRIVATE, SITE, House, refused, slot
from tests.store.studio import TALK, YOGA
from widget_server.domain.policies import HOLDS_PER_VISITOR_MAX, LINES_MAX
from widget_server.domain.slots import Slot
from widget_server.ids import new_id
from widget_server.web.api.answers import ANSWERED_BYTES_MAX, BODY_BYTES_MAX

pytestmark = pytest.mark.anyio

MALFORMED_SECRETS = [
    None,
    "",
    "Bearer",
    "Bearer ",
    "Basic QmVuOnNlY3JldA==",
    "Bearer short",
    f"Bearer {'A' * 23}",
    f"Bearer {'A' * 21}=",
    f"Bearer {'A' * 22} {'A' * 22}",
    "Bearer " + "A" * 100_000,
]
WRONG_SEATS: list[Any] = [0, -1, 51, 10**30, -(10**30), 1.0, 1.5, True, False, None, "2", [2], {}, "x" * 1000]
WRONG_SLOTS: list[Any] = [
    "",
    "yoga",
    "yoga.20261121T0900Z",
    "yoga.20261121T0900Z.0",
    "yoga.20261121T0900Z.060",
    "yoga.20261121T0900Z.99999",
    "yoga.20261131T0900Z.60",
    "yoga.20261121T2400Z.60",
    "yoga.19991231T0900Z.60",
    "yoga.20261121T0900Z.60\n",
    "yoga.\u0662\u0660\u0662\u06661121T0900Z.60",
    "YOGA.20261121T0900Z.60",
    "../yoga.20261121T0900Z.60",
    "yoga:1.20261121T0900Z.60",
    "x" * 101,
    60,
    None,
    [],
]
WRONG_IDS: list[Any] = [
    "",
    "short",
    "A" * 23,
    "A" * 21 + "=",
    "A" * 21 + "\n",
    "A" * 22 + "\n",
    "Ä" * 22,
    1,
    None,
    ["A"],
]
JUNK_BODIES = [
    "",
    " ",
    "{",
    "null",
    "[]",
    '"text"',
    "1e999",
    "{}",
    "NaN",
    b"\xff\xfe",
    "\ufeff{}",
    "[" * 15_000,
    '{"a":' * 3_000,
    '{"id": "\\ud800"}',
]


async def test_a_hold_is_what_was_asked_for_until_its_deadline(house: House) -> None:
    anna = house.guest()

    answer = await anna.hold((slot(), 2), (slot(number=1), 1))
    assert answer.status_code == 201
    body = answer.json()
    hold = body["hold"]
    assert list(body) == ["hold", "server_now"]
    assert hold["id"] == anna.id
    assert (hold["state"], hold["version"]) == ("held", 1)
    assert hold["lines"] == [{"slot": slot().id, "seats": 2}, {"slot": slot(number=1).id, "seats": 1}]
    assert instant(hold["expires_at"]) - instant(body["server_now"]) == timedelta(minutes=10)
    assert instant(hold["limit_at"]) - instant(body["server_now"]) == timedelta(minutes=30)
    assert answer.headers["cache-control"] == "no-store"
    assert (await house.seats()).held == 2


async def test_the_same_hold_again_is_the_same_hold_and_takes_no_more_seats(house: House) -> None:
    anna = house.guest()
    first = await anna.hold((slot(), 2))

    again = await anna.hold((slot(), 2))
    assert again.status_code == 201
    assert again.json()["hold"] == first.json()["hold"]
    assert (await house.seats()).held == 2


async def test_the_same_id_for_other_lines_is_refused(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))

    for others in ([(slot(), 3)], [(slot(number=1), 2)], [(slot(), 2), (slot(number=1), 1)]):
        refused(await anna.hold(*others), 409, "id_conflict")
    assert (await house.seats()).held == 2


async def test_the_same_id_with_another_secret_is_refused(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    ben = replace(anna, secret=new_id())

    refused(await ben.hold(), 409, "id_conflict")


async def test_a_full_slot_says_how_many_are_left(house: House) -> None:
    for _ in range(2):
        assert (await house.guest().hold((slot(), 5))).status_code == 201

    assert refused(await house.guest().hold((slot(), 3)), 409, "slot_full") == {"slot": slot().id, "left": 2}


async def test_all_lines_are_held_or_none(house: House) -> None:
    await house.guest().hold(slot(TALK))
    anna = house.guest()

    refused(await anna.hold((slot(), 2), slot(TALK), slot(number=1)), 409, "slot_full")
    assert (await house.seats(slot())).held == 0
    assert (await house.seats(slot(number=1))).held == 0
    refused(await anna.look(), 404, "not_found")


async def test_twenty_lines_are_held_and_the_twenty_first_is_too_many(house: House) -> None:
    lines = [slot(day=number // 4, number=number % 4) for number in range(LINES_MAX + 1)]

    assert (await house.guest().hold(*lines[:LINES_MAX])).status_code == 201
    refused(await house.guest().hold(*lines), 400, "invalid_request")


async def test_a_slot_twice_in_one_hold_is_refused(house: House) -> None:
    refused(await house.guest().hold((slot(), 1), (slot(), 2)), 400, "invalid_request")
    assert (await house.seats()).held == 0


async def test_more_seats_than_the_service_allows_are_refused_with_the_most(house: House) -> None:
    details = refused(await house.guest().hold((slot(), YOGA.seats_per_booking_max + 1)), 422, "too_many_seats")
    assert details == {"slot": slot().id, "maximum": YOGA.seats_per_booking_max}


async def test_a_time_that_is_not_offered_is_closed(house: House) -> None:
    minute = timedelta(minutes=1)
    not_offered = {
        "begun": slot(day=-30),
        "unknown service": slot()._replace(service="unknown"),
        "other length": slot()._replace(ends_at=slot().ends_at + minute),
        "after closing": slot(number=4),
        "between slots": Slot("yoga", slot().starts_at + minute, slot().ends_at + minute),
    }

    for wanted in not_offered.values():
        assert refused(await house.guest().hold(wanted), 409, "slot_closed") == {"slot": wanted.id}


async def test_a_service_with_a_price_is_not_given_away(house: House) -> None:
    refused(await house.guest().hold(slot(PRIVATE)), 409, "payments_not_set_up")


async def test_a_visitor_has_three_holds_and_another_visitor_still_gets_theirs(house: House) -> None:
    visitor = new_id()
    holds = [replace(house.guest(), visitor=visitor) for _ in range(HOLDS_PER_VISITOR_MAX + 1)]
    for anna in holds[:-1]:
        assert (await anna.hold()).status_code == 201

    answer = await holds[-1].hold()
    refused(answer, 429, "hold_budget_spent")
    assert answer.headers["retry-after"] == "60"
    assert (await house.guest().hold()).status_code == 201
    await holds[0].release()
    assert (await holds[-1].hold()).status_code == 201


async def test_where_holds_are_off_seats_are_only_taken_at_confirmation(house: House) -> None:
    await house.change_settings(holds_on=False)

    refused(await house.guest().hold(), 409, "holds_off")


async def test_seats_are_whole_numbers_from_one_to_fifty(house: House) -> None:
    for wrong in WRONG_SEATS:
        details = refused(await house.guest().hold((slot(), wrong)), 400, "invalid_request")
        assert details["fields"][0]["field"] == "lines.0.seats", wrong


async def test_wrong_slots_are_refused_by_name(house: House) -> None:
    for wrong in WRONG_SLOTS:
        answer = await house.guest().hold(lines=[{"slot": wrong, "seats": 1}])
        details = refused(answer, 400, "invalid_request")
        assert details["fields"][0]["field"] == "lines.0.slot", wrong


async def test_wrong_ids_are_refused_by_name(house: House) -> None:
    for field in ("id", "visitor"):
        for wrong in WRONG_IDS:
            details = refused(await house.guest().hold(**{field: wrong}), 400, "invalid_request")
            assert details["fields"][0]["field"] == field, wrong


async def test_lines_are_a_list_of_slots_with_seats(house: House) -> None:
    wrong: list[Any] = [[], None, {}, "x", [[]], [None], [{}], [{"slot": slot().id}], [{"seats": 1}]]
    for lines in wrong:
        refused(await house.guest().hold(lines=lines), 400, "invalid_request")


async def test_a_misspelt_field_is_not_ignored(house: House) -> None:
    refused(await house.guest().hold(visiter="x"), 400, "invalid_request")
    refused(await house.guest().hold(lines=[{"slot": slot().id, "seats": 1, "seat": 2}]), 400, "invalid_request")


async def test_junk_is_refused_in_the_one_shape_and_not_repeated(house: House) -> None:
    for junk in JUNK_BODIES:
        refused(await house.guest().send("POST", "/holds", junk), 400, "invalid_request")
    answer = await house.guest().send("POST", "/holds", '{"id": "<script>anna@example.org"}')
    assert "anna@example.org" not in answer.text


async def test_of_a_field_given_twice_the_last_one_counts(house: House) -> None:
    anna = house.guest()
    body = json.dumps(anna.wanted_hold((slot(), 2))).replace('"seats": 2', '"seats": 2, "seats": 3')

    assert (await anna.send("POST", "/holds", body)).json()["hold"]["lines"][0]["seats"] == 3


async def test_a_body_that_is_too_large_is_refused_in_the_one_shape(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    large = " " * (BODY_BYTES_MAX + 1)

    refused(await anna.send("POST", "/holds", large), 413, "too_large")
    refused(await anna.send("PATCH", f"/holds/{anna.id}", large), 413, "too_large")
    with_answers = " " * (ANSWERED_BYTES_MAX + 1)
    refused(await anna.send("POST", f"/holds/{anna.id}/confirmation", with_answers), 413, "too_large")
    refused(await anna.send("POST", "/holds", large[:-1]), 400, "invalid_request")


async def test_without_a_well_formed_secret_nothing_opens(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    of_hold = f"/v1/sites/{SITE}/holds/{anna.id}"
    calls = [
        ("POST", f"/v1/sites/{SITE}/holds", anna.wanted_hold()),
        ("GET", of_hold, None),
        ("PATCH", of_hold, {"version": 1, "renew": True}),
        ("DELETE", of_hold, None),
        ("POST", f"{of_hold}/confirmation", {"customer": {"name": "Anna"}}),
    ]

    for method, path, body in calls:
        for secret in MALFORMED_SECRETS:
            headers = {} if secret is None else {"authorization": secret}
            answer = await house.client.request(method, path, json=body, headers=headers)
            refused(answer, 401, "sign_in_needed")
            assert answer.headers["www-authenticate"] == "Bearer"
    assert (await anna.look()).json()["hold"]["state"] == "held"


async def test_the_scheme_may_be_written_in_any_case(house: House) -> None:
    anna = house.guest()
    await anna.hold()

    answer = await house.client.get(
        f"/v1/sites/{SITE}/holds/{anna.id}", headers={"authorization": f"bearer {anna.secret}"}
    )
    assert answer.status_code == 200


async def test_somebody_elses_secret_opens_nothing(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    ben = replace(anna, secret=new_id())

    for answer in (await ben.look(), await ben.renew(), await ben.release(), await ben.confirm("Ben Oak")):
        refused(answer, 403, "not_yours")
    assert (await anna.look()).json()["hold"]["version"] == 1


async def test_an_unknown_hold_is_not_found(house: House) -> None:
    for hold_id in (new_id(), "unknown", "A" * 23, "%00", "..%2f" * 4, "ä" * 22, "x" * 5_000, "*"):
        anna = replace(house.guest(), id=hold_id)
        for answer in (await anna.look(), await anna.renew(), await anna.release(), await anna.confirm()):
            refused(answer, 404, "not_found")


async def test_an_unknown_site_is_not_found(house: House) -> None:
    for site in ("nobody", "STUDIO", "studio%00", "studio:x", "%7Btenuto%7D", "ä", "x" * 3_000, "%ff"):
        anna = house.guest(site)
        answers = (await anna.hold(), await anna.look(), await anna.renew(), await anna.release(), await anna.confirm())
        for answer in (*answers, await anna.order(), await anna.cancel(), await anna.send("GET", "/services")):
            refused(answer, 404, "not_found")


async def test_renewing_gives_a_full_length_again_up_to_the_limit(house: House) -> None:
    anna = house.guest()
    limit_at = (await anna.hold()).json()["hold"]["limit_at"]
    await house.advance(timedelta(minutes=9))

    answer = (await anna.renew()).json()
    hold = answer["hold"]
    assert timedelta(0) <= timedelta(minutes=10) - (instant(hold["expires_at"]) - instant(answer["server_now"]))
    assert (hold["version"], hold["limit_at"]) == (2, limit_at)
    assert (await anna.renew()).json()["hold"] == hold
    for version in (2, 3):
        await house.advance(timedelta(minutes=9))
        hold = (await anna.renew(version)).json()["hold"]
    assert hold["expires_at"] == limit_at


async def test_renewing_from_what_is_not_the_newest_version_is_refused(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    for version in (1, 2):
        await anna.renew(version)

    for version in (1, 4, 2**53, 10**30):
        refused(await anna.renew(version), 409, "changed")


async def test_renewing_from_a_version_is_all_that_can_be_asked_of_a_hold(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    versions: list[Any] = [0, -1, 1.0, "1", True, None, []]
    changes: list[dict[str, Any]] = [{"renew": False}, {"renew": None}, {"renew": "true"}, {"more": True}]

    for wrong in [*({"version": version} for version in versions), *changes]:
        refused(await anna.renew(**wrong), 400, "invalid_request")
    assert (await anna.look()).json()["hold"]["version"] == 1


async def test_released_seats_are_free_at_once_and_releasing_again_changes_nothing(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))

    for _ in range(2):
        answer = await anna.release()
        assert (answer.status_code, answer.content) == (204, b"")
    assert (await house.seats()).held == 0
    assert (await anna.look()).json()["hold"]["state"] == "released"


async def test_a_released_hold_does_nothing_any_more(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    await anna.release()

    for answer in (await anna.hold(), await anna.renew(), await anna.confirm()):
        refused(answer, 410, "hold_ended")
    assert (await house.seats()).taken == 0


async def test_an_expired_hold_says_so_before_anybody_has_swept_it(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    await house.advance(timedelta(minutes=10, seconds=1))

    assert (await anna.look()).json()["hold"]["state"] == "expired"
    refused(await anna.renew(), 410, "hold_ended")
    refused(await anna.hold(), 410, "hold_ended")
    refused(await anna.release(), 410, "hold_ended")


async def test_a_confirmed_hold_cannot_be_given_back_or_renewed(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    await anna.confirm()

    assert (await anna.look()).json()["hold"]["state"] == "confirmed"
    refused(await anna.release(), 410, "hold_ended")
    refused(await anna.renew(), 410, "hold_ended")
    refused(await anna.hold(), 410, "hold_ended")
    assert (await house.seats()).booked == 1


async def test_while_the_customer_is_paying_a_hold_stays_as_it_is(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    await house.pin(anna, attempt="a payment elsewhere")

    refused(await anna.release(), 409, "paying")
    refused(await anna.renew(), 409, "paying")
    assert (await anna.look()).json()["hold"]["state"] == "paying"


def instant(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text).astimezone(UTC)
