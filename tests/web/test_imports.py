"""Slots come in from files and go out to files: previewed, added all at once, and nothing typed is ever lost."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response as Answer

from tests.house import SITE, Guest, House, slot
from tests.web.desks import Desk, desk_in
from tests.web.rooms import fields_of, path_of
from tests.web.schedule_rooms import text_of
from tests.web.test_schedule_choices import close_the_gate
from widget_server.domain.audit_log import Deed
from widget_server.domain.schedule import Opening, Schedule
from widget_server.domain.slot_files import BYTES_MAX, ROWS_MAX, Plan
from widget_server.store import clearings
from widget_server.use_cases.calendar import OPENINGS_MAX
from widget_server.web.admin import imports
from widget_server.web.forms import UPLOAD_BYTES_MAX, form_token

pytestmark = pytest.mark.anyio

DAY = slot().starts_at.date()
"""The day after tomorrow, with yoga at 8, 9, 10 and 11 on the clocks of the site, which show UTC."""
HEAD = "date,start,end,capacity\n"
TWO = f"{HEAD}{DAY},14:00,15:00,\n{DAY},15:30,17:00,5\n"
AFTERNOON = slot()._replace(
    starts_at=slot().starts_at + timedelta(hours=6), ends_at=slot().ends_at + timedelta(hours=6)
)
GATE = f"{{tenuto}}:{SITE}:gate"
IMPORT = "/services/yoga/import"


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with desk_in(house) as desk:
        yield desk


async def schedule_of(desk: Desk) -> Schedule:
    return (await desk.house.parts.use_cases.sites.read(await desk.house.site(desk.site)))[1]


async def send(desk: Desk, fields: dict[str, str], file: bytes | None = None, below: str = IMPORT) -> Answer:
    """As a browser sends a form with a file: in parts, with two characters at the end of each line."""
    fields = {"form_token": form_token(desk.session), **fields}
    typed = {name: value.replace("\n", "\r\n") for name, value in fields.items()}
    chosen = {"file": ("slots.csv" if file else "", file or b"", "text/csv")}
    return await desk.client.post(desk.path(below), data=typed, files=chosen, headers={"sec-fetch-site": "same-origin"})


async def add(desk: Desk, preview: Answer, **changed: str) -> Answer:
    return await send(desk, fields_of(preview) | {"action": "add"} | changed)


async def typed_in(desk: Desk) -> list[Opening]:
    return [opening for opening in (await schedule_of(desk)).openings if opening.day is not None]


async def test_pasted_slots_are_previewed_and_then_added_all_at_once(desk: Desk) -> None:
    preview = await send(desk, {"text": TWO})
    before = await typed_in(desk)

    added = await add(desk, preview)

    assert before == []
    assert "2 new" in text_of(preview)
    assert path_of(added) == desk.path(f"{IMPORT}?added=2&from={DAY}")
    assert "2 slots added." in text_of(await desk.client.get(path_of(added)))
    offered = (await schedule_of(desk)).slots_on("yoga", DAY)
    assert [(each.slot.starts_at.hour, each.capacity) for each in offered[-2:]] == [(14, 12), (15, 5)]
    (entry,) = await desk.entries()
    assert (entry.deed, entry.about, entry.detail["imported_slots"]) == (Deed.CALENDAR_CHANGED, "yoga", 2)
    desk.house.parts.use_cases.catalog.forget("studio")
    assert (await desk.house.guest().hold(offered[-1].slot)).status_code == 201


@pytest.mark.parametrize(
    "content",
    [
        TWO.encode(),
        TWO.replace("\n", "\r\n").encode("utf-8-sig"),
        TWO.replace(",", "\t").encode("utf-16"),
        f"{TWO}# für später".replace(",", ";").encode("cp1252"),
    ],
)
async def test_a_file_is_read_in_whichever_way_its_text_is_written(desk: Desk, content: bytes) -> None:
    preview = await send(desk, {"text": ""}, content)

    assert "2 new" in text_of(preview)
    assert path_of(await add(desk, preview)) == desk.path(f"{IMPORT}?added=2&from={DAY}")


async def test_a_calendar_file_is_read_too(desk: Desk) -> None:
    event = f"BEGIN:VEVENT\nDTSTART:{DAY:%Y%m%d}T140000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3\nEND:VEVENT"
    preview = await send(desk, {"text": ""}, f"BEGIN:VCALENDAR\n{event}\nEND:VCALENDAR\n".encode())

    assert path_of(await add(desk, preview)) == desk.path(f"{IMPORT}?added=3&from={DAY}")


async def test_lines_with_errors_are_told_and_left_out_and_can_be_mended_in_the_box(desk: Desk) -> None:
    typed = f"{HEAD}{DAY},14:00,25:00,\n{DAY},08:00,09:00,\n{DAY},10:30,11:30,\n{DAY},18:00,19:00,\n2001-01-01,9,10,\n"

    preview = await send(desk, {"text": typed})

    told = text_of(preview)
    assert preview.status_code == 200
    assert "1 new 1 there already 1 over 2 with errors" in told
    assert "Line 2: 25:00 is no time." in told
    assert "Line 4:" in told
    assert "Add this slot" in told
    mended = await send(desk, fields_of(preview) | {"text": typed.replace("25:00", "15:00"), "action": "preview"})
    assert "2 new" in text_of(mended)
    assert path_of(await add(desk, mended)).endswith(f"added=2&from={DAY}")
    assert {(o.starts.hour, o.ends.hour) for o in await typed_in(desk)} == {(14, 15), (18, 19)}


async def test_only_what_was_previewed_is_added(desk: Desk) -> None:
    preview = await send(desk, {"text": TWO})

    told = await add(desk, preview, text=f"{TWO}{DAY},20:00,21:00,\n")

    assert told.status_code == 422
    assert "This is not what you have previewed." in text_of(told)
    assert await typed_in(desk) == []
    assert path_of(await add(desk, told)).endswith(f"added=3&from={DAY}")


async def test_what_somebody_else_saves_meanwhile_is_told_and_previewed_again(desk: Desk) -> None:
    preview = await send(desk, {"text": TWO})
    other = await send(desk, {"text": f"{HEAD}{DAY},14:30,15:00,\n"})
    await add(desk, other)

    told = await add(desk, preview)
    again = await add(desk, told)

    assert told.status_code == 422
    assert "1 new 1 with an error" in text_of(told)
    assert fields_of(told)["text"] == TWO
    assert path_of(again).endswith(f"added=1&from={DAY}")


async def test_slots_of_another_day_that_are_saved_meanwhile_stay_and_are_told(desk: Desk) -> None:
    preview = await send(desk, {"text": TWO})
    await add(desk, await send(desk, {"text": f"{HEAD}{DAY + timedelta(days=1)},14:30,15:00,\n"}))

    told = await add(desk, preview)

    assert "Somebody saved other times meanwhile." in text_of(told)
    assert path_of(await add(desk, told)).endswith(f"added=2&from={DAY}")
    assert len(await typed_in(desk)) == 3


async def test_sending_the_same_twice_adds_nothing_twice(desk: Desk) -> None:
    preview = await send(desk, {"text": TWO})
    await add(desk, preview)

    again = await add(desk, preview)

    assert "There is nothing to add." in text_of(again)
    assert len(await typed_in(desk)) == 2


async def test_a_taken_slot_is_never_moved_by_an_import(desk: Desk) -> None:
    anna = desk.house.guest()
    await anna.hold((slot(number=1), 2))

    preview = await send(desk, {"text": f"{HEAD}{DAY},09:30,10:30,\n{DAY},14:00,15:00,\n"})
    await add(desk, preview)

    schedule = await schedule_of(desk)
    assert [each.slot.starts_at.hour for each in schedule.slots_on("yoga", DAY)] == [8, 9, 10, 11, 14]
    assert (await anna.confirm("Anna Berg")).status_code == 201


@pytest.fixture
async def anna(desk: Desk) -> Guest:
    """She has booked a time that is in no calendar any more: it is kept for her, from 14 to 15 o'clock."""
    await add(desk, await send(desk, {"text": f"{HEAD}{DAY},14:00,15:00,\n"}))
    desk.house.parts.use_cases.catalog.forget("studio")
    anna = desk.house.guest()
    assert (await anna.hold(AFTERNOON)).status_code == 201
    assert (await anna.confirm("Anna Berg")).status_code == 201
    shown = fields_of(await desk.get(f"/services/yoga/calendar?week={DAY}"))
    row = next(name.removesuffix("-starts") for name, value in shown.items() if value == "14:00")
    await desk.post(f"/services/yoga/calendar?week={DAY}", **(shown | {f"{row}-gone": "on", "choice": "keep"}))
    assert await typed_in(desk) == []
    return anna


async def test_a_slot_kept_for_somebody_opens_again_by_its_own_line(desk: Desk, anna: Guest) -> None:
    same = await add(desk, await send(desk, {"text": f"{HEAD}{DAY},14:00,15:00,\n"}))

    assert path_of(same).endswith(f"added=1&from={DAY}")
    offered = (await schedule_of(desk)).find(AFTERNOON)
    assert offered is not None
    assert not offered.is_closed
    assert (await anna.order()).json()["order"]["bookings"][0]["state"] == "confirmed"


ACROSS = f"{HEAD}{DAY},14:30,15:30,\n"


@pytest.mark.parametrize(("choice", "state"), [("keep", "confirmed"), ("cancel", "cancelled")])
async def test_of_a_line_across_what_somebody_has_it_is_chosen_what_becomes_of_them(
    desk: Desk, anna: Guest, choice: str, state: str
) -> None:
    preview = await send(desk, {"text": ACROSS})
    asked = await add(desk, preview)

    assert "which somebody has: you choose what becomes of them." in text_of(preview)
    assert asked.status_code == 422
    assert "Anna Berg" in text_of(asked)
    assert await typed_in(desk) == []
    assert path_of(await add(desk, asked, choice=choice)).endswith(f"added=1&from={DAY}")
    assert (await anna.order()).json()["order"]["bookings"][0]["state"] == state
    offered = [each for each in (await schedule_of(desk)).slots_on("yoga", DAY) if each.slot.starts_at.hour >= 14]
    assert [(each.slot == AFTERNOON, each.is_closed) for each in offered] == [(choice == "keep", choice == "keep")]


async def test_where_very_many_are_cancelled_for_an_import_it_is_followed_on_a_page_of_its_own(
    desk: Desk, anna: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clearings, "AT_ONCE", 0)
    asked = await add(desk, await send(desk, {"text": ACROSS}))

    path = path_of(await add(desk, asked, choice="cancel"))

    assert path.startswith(desk.path("/clearings/"))
    assert "0 of 1 booking done" in text_of(await desk.client.get(path))


@pytest.mark.parametrize(
    ("text", "file", "told"),
    [
        ("", None, "Choose a file, or paste its text."),
        ("start,end\n", None, "The first line names no column date."),
        ("", b"x" * (8 * BYTES_MAX), "A file can have up to 1 MB."),
        ("x" * (8 * BYTES_MAX), None, "A file can have up to 1 MB."),
        ("", b"PK\x03\x04\x00\x00", "This is no text file."),
        ("", b"\xff\xfe\x00", "This is no text file."),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\n", None, "This calendar file cannot be read"),
        (TWO, TWO.encode(), "There is text of yours in the box, too."),
    ],
)
async def test_what_cannot_be_read_is_refused_in_one_sentence_and_what_was_typed_is_still_there(
    desk: Desk, text: str, file: bytes | None, told: str
) -> None:
    answer = await send(desk, {"text": text}, file)

    assert answer.status_code == 422
    assert told in text_of(answer)
    assert fields_of(answer)["text"] == text
    assert "action" not in fields_of(answer)


async def test_another_file_takes_the_place_of_one_that_was_read_but_not_of_what_was_mended(desk: Desk) -> None:
    first = await send(desk, {"text": ""}, TWO.encode())
    other = f"{HEAD}{DAY},20:00,21:00,\n".encode()

    untouched = await send(desk, fields_of(first), other)
    mended = await send(desk, fields_of(first) | {"text": f"{TWO}\n"}, other)

    assert "1 new" in text_of(untouched)
    assert mended.status_code == 422
    assert fields_of(mended)["text"] == f"{TWO}\n"


async def test_a_body_beyond_all_measure_is_refused(desk: Desk) -> None:
    assert (await send(desk, {"text": "x" * UPLOAD_BYTES_MAX})).status_code == 413


async def test_more_times_than_a_service_can_have_are_told_before_they_are_added(desk: Desk) -> None:
    lines = [f"{DAY + timedelta(days=n // 90)},{13 + n % 90 // 9}:{n % 9 * 5:02},{13 + n % 90 // 9}:{n % 9 * 5 + 5:02}"
             for n in range(OPENINGS_MAX)]  # fmt: skip

    preview = await send(desk, {"text": "date,start,end\n" + "\n".join(lines)})

    assert preview.status_code == 422
    assert "A service can have up to 5,000 times: these are 7 too many." in text_of(preview)
    assert (await add(desk, preview)).status_code == 422
    assert await typed_in(desk) == []


async def test_marks_in_a_file_are_shown_and_never_run(desk: Desk) -> None:
    shown = (await send(desk, {"text": f"{HEAD}<script>x</script>,14:00,15:00,\n"})).text

    assert "<script>x" not in shown
    assert "&lt;script&gt;x" in shown


async def test_a_form_without_token_or_from_elsewhere_is_refused(desk: Desk) -> None:
    assert (await send(desk, {"text": TWO, "form_token": "x"})).status_code == 403
    elsewhere = await desk.client.post(desk.path(IMPORT), data={"text": TWO}, headers={"sec-fetch-site": "cross-site"})
    assert elsewhere.status_code == 403


PATHS = ("import", "export", "import/template.csv", "slots.csv", "slots.ics")


@pytest.mark.parametrize("path", PATHS)
async def test_files_of_others_and_of_no_service_are_not_there(desk: Desk, path: str) -> None:
    await desk.house.found("dojo")

    assert (await desk.get(f"/services/yoga/{path}")).status_code == 200
    assert (await desk.get(f"/services/golf/{path}")).status_code == 404
    assert (await desk.client.get(f"/admin/sites/dojo/services/yoga/{path}")).status_code == 404


async def test_nothing_is_imported_to_a_site_of_others_or_to_no_service(desk: Desk) -> None:
    await desk.house.found("dojo")
    preview = await send(desk, {"text": TWO})
    fields = fields_of(preview) | {"action": "add", "form_token": form_token(desk.session)}
    headers = {"sec-fetch-site": "same-origin"}

    others = await desk.client.post("/admin/sites/dojo/services/yoga/import", data=fields, headers=headers)

    assert others.status_code == 404
    assert (await send(desk, fields, below="/services/golf/import")).status_code == 404
    assert all(o.day is None for o in (await schedule_of(replace(desk, site="dojo"))).openings)


async def test_an_export_has_what_is_offered_and_nothing_of_it_is_new(desk: Desk) -> None:
    await add(desk, await send(desk, {"text": TWO}))

    answer = await desk.get(f"/services/yoga/slots.csv?from={DAY}&to={DAY}")

    lines = answer.text.removeprefix("\ufeff").splitlines()
    assert answer.headers["content-disposition"] == f'attachment; filename="slots-yoga-{DAY}.csv"'
    assert lines[0] == HEAD.strip()
    assert lines[1] == f"{DAY},08:00,09:00,12"
    assert lines[-1] == f"{DAY},15:30,17:00,5"
    assert len(lines) == 7
    again = await send(desk, {"text": ""}, answer.content)
    assert "0 new 6 there already" in text_of(again)


async def test_a_calendar_export_is_taken_by_import_too(desk: Desk) -> None:
    answer = await desk.get(f"/services/yoga/slots.ics?from={DAY}&to={DAY + timedelta(days=1)}")

    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.text.count("BEGIN:VEVENT") == 8
    assert f"UID:{slot().id}@studio.tenuto" in answer.text
    assert "0 new 8 there already" in text_of(await send(desk, {"text": ""}, answer.content))


async def test_closed_slots_are_not_exported(desk: Desk) -> None:
    shown = fields_of(await desk.get(f"/services/yoga/calendar?week={DAY}"))
    await desk.post(f"/services/yoga/calendar?week={DAY}", **(shown | {f"closed-{slot().id}": "on"}))

    answer = await desk.get(f"/services/yoga/slots.csv?from={DAY}&to={DAY}")

    assert f"{DAY},08:00" not in answer.text
    assert answer.text.count(str(DAY)) == 3


async def test_twelve_weeks_are_exported_unless_others_are_wanted(desk: Desk) -> None:
    fields = fields_of(await desk.get("/services/yoga/export"))
    first, last = (date.fromisoformat(fields[name]) for name in ("from", "to"))

    answer = await desk.get("/services/yoga/slots.csv")

    assert last - first == timedelta(days=83)
    assert len(answer.text.splitlines()) == 84 * 4 + 1


@pytest.mark.parametrize("kind", ["csv", "ics"])
@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("from=never&to=2026-12-31", "Choose a day."),
        ("from=2026-12-31&to=2026-12-30", "The last day is before the first."),
        ("from=2026-01-01&to=2027-01-02", "Choose up to 366 days."),
        ("from=1999-12-31&to=2000-01-01", "Choose a day."),
    ],
)
async def test_days_that_make_no_sense_are_told_and_stay_as_typed(desk: Desk, kind: str, asked: str, told: str) -> None:
    answer = await desk.get(f"/services/yoga/slots.{kind}?{asked}")

    assert answer.status_code == 422
    assert told in text_of(answer)
    assert fields_of(answer)["from"] == re.findall(r"from=([^&]*)", asked)[0]


async def test_a_year_of_export_to_the_end_of_all_years_is_no_fault(desk: Desk) -> None:
    for kind in ("csv", "ics"):
        assert (await desk.get(f"/services/yoga/slots.{kind}?from=2199-12-01&to=2199-12-31")).status_code == 200
        assert (await desk.get(f"/services/yoga/slots.{kind}?from=2000-01-01&to=2000-01-02")).status_code == 200


async def test_the_template_is_a_file_that_can_be_imported(desk: Desk) -> None:
    template = await desk.get("/services/yoga/import/template.csv")

    preview = await send(desk, {"text": ""}, template.content)

    assert "There is nothing to add" in text_of(preview), "at nine there is yoga already"
    assert "1 there already" in text_of(preview)


async def test_what_cannot_be_added_just_now_stays_as_typed_and_can_be_sent_again(desk: Desk) -> None:
    preview = await send(desk, {"text": TWO})
    (state,) = await desk.house.redis.read(("HGETALL", GATE))
    await close_the_gate(desk.house)

    answer = await add(desk, preview)

    assert answer.status_code == 503
    assert "All you typed is still here" in text_of(answer)
    assert fields_of(answer)["text"] == TWO
    await desk.house.redis.read(("DEL", GATE), ("HSET", GATE, *state))
    assert path_of(await add(desk, answer)).endswith(f"added=2&from={DAY}")


def test_limits_are_told_as_they_are() -> None:
    told = (Path(__file__).parents[2] / "docs" / "calendar.md").read_text("utf-8")

    assert f"up to {BYTES_MAX // 1_000_000} MB and {ROWS_MAX:,} lines" in told
    assert "`" + "`, `".join(HEAD.strip().split(",")[:3]) + "`, and `capacity`" in told


async def test_files_are_read_one_after_the_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    at_work, most, read = [0], [0], imports._read_and_plan

    def slowly(*of: Any) -> Plan:
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        time.sleep(0.1)
        at_work[0] -= 1
        return read(*of)

    monkeypatch.setattr(imports, "_read_and_plan", slowly)

    answers = await asyncio.gather(*(send(desk, {"text": TWO}) for _ in range(3)))

    assert [answer.status_code for answer in answers] == [200] * 3
    assert most == [1]
