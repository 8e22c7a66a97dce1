"""All bookings of a customer, over HTTP: by a link that only whoever reads their mail gets, and nobody learns of it."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from httpx2 import Response as Answer
from sqlalchemy import update
from sqlmodel import select

from tests.house import SITE, URL, Guest, House, refused, slot
from tests.store.studio import TALK
from tests.web.desks import desk_in
from widget_server.domain.messages import KeptMessage, Kind, MessageState
from widget_server.domain.slots import Slot
from widget_server.ids import new_id
from widget_server.store.messages import Messages
from widget_server.store.tables import BookingsLinkRow
from widget_server.use_cases import my_bookings
from widget_server.use_cases.my_bookings import LINKS_PER_ADDRESS_MAX, LINKS_PER_NETWORK_MAX

pytestmark = pytest.mark.anyio

ANNA = "anna@example.org"


async def booked(
    house: House, *lines: tuple[Slot, int] | Slot, email: str = ANNA, site: str = SITE, name: str = "Anna Berg"
) -> Guest:
    guest = house.guest(site)
    assert (await guest.hold(*lines)).status_code == 201
    customer = {"name": name, "email": email, "zone": "Europe/Berlin", "locale": "de"}
    assert (await guest.confirm(customer=customer)).status_code == 201
    return guest


async def ask(house: House, email: object = ANNA, *, site: str = SITE) -> Answer:
    return await house.client.post(f"/v1/sites/{site}/my-bookings/links", json={"email": email})


async def links_sent(house: House, site: str = SITE) -> list[KeptMessage]:
    """The newest first, once the worker has come by."""
    while await house.parts.posting.post():
        pass
    found = await Messages(house.parts.database).listed((await house.site(site)).id, limit=100)
    return [message for message in found if message.kind is Kind.MY_BOOKINGS]


async def code_sent(house: House, site: str = SITE) -> str:
    message = (await links_sent(house, site))[0]
    mail = (await house.parts.use_cases.messages.find(await house.site(site), message.id)).mail
    assert mail is not None
    found = re.search(rf"{URL}/my/{site}\?lang=de#(\S{{22}})\n", mail.plain)
    assert found is not None, mail.plain
    return found[1]


async def look(house: House, code: str, query: str = "", *, site: str = SITE) -> Answer:
    headers = {"authorization": f"Bearer {code}"}
    return await house.client.get(f"/v1/sites/{site}/my-bookings{query}", headers=headers)


async def test_a_customer_finds_all_they_have_booked_and_each_link_opens_its_order(house: House) -> None:
    later, sooner = await booked(house, (slot(day=1), 2)), await booked(house, slot())
    await sooner.cancel()

    assert (await ask(house)).status_code == 202
    answer = await look(house, await code_sent(house))

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    assert [(one["order"], one["seats"], one["state"]) for one in found["bookings"]] == [
        (later.id, 2, "confirmed"),
        (sooner.id, 1, "cancelled"),
    ]
    assert found["next"] is None
    first = found["bookings"][0]
    assert (first["service_name"], first["place"], first["test"], first["asked_to_move"]) == (
        "Morning yoga",
        "in_person",
        False,
        False,
    )
    url, _, secret = first["order_url"].partition("#")
    assert url == f"{URL}/o/{SITE}/{later.id}"
    assert (await replace(later, order_secret=secret).cancel()).status_code == 200


async def test_the_mail_goes_to_the_address_as_it_was_booked_with_in_the_customers_language(house: House) -> None:
    await booked(house, email="Anna@example.org")

    await ask(house, " ANNA@EXAMPLE.ORG")
    await ask(house, "aNNa@Example.org")

    (message,) = await links_sent(house)
    assert (message.address, message.language, message.state) == ("Anna@example.org", "de", MessageState.KEPT)
    assert (await look(house, await code_sent(house))).json()["bookings"] != []


async def test_letters_outside_of_english_are_one_address_in_either_case_and_spelling(house: House) -> None:
    await booked(house, email="müller@example.org")

    await ask(house, "MU\u0308LLER@example.org")

    assert [message.address for message in await links_sent(house)] == ["müller@example.org"]


async def test_the_answer_is_the_same_whoever_is_asked_for_and_of_strangers_no_trace_is_left(house: House) -> None:
    await booked(house)

    known, unknown = await ask(house), await ask(house, "ben@example.org")

    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert known.headers.keys() == unknown.headers.keys()
    assert [message.address for message in await links_sent(house)] == [ANNA]


async def test_the_code_is_in_no_table(house: House) -> None:
    await booked(house)
    await ask(house)

    code = await code_sent(house)

    kept = (await links_sent(house))[0]
    assert kept.mail is not None
    assert code not in kept.mail.plain + kept.mail.html + repr(kept)
    async with house.parts.database.snapshot() as session:
        (link,) = (await session.exec(select(BookingsLinkRow))).all()
    assert code not in repr(link)


async def test_a_newer_link_takes_the_place_of_the_older_one(house: House) -> None:
    await booked(house)
    await ask(house)
    first = await code_sent(house)
    await ask(house)
    second = await code_sent(house)

    assert first != second
    refused(await look(house, first), 404, "not_found")
    assert (await look(house, second)).status_code == 200
    assert (await look(house, second)).status_code == 200


async def test_a_link_ends_after_a_day_and_is_forgotten(house: House) -> None:
    await booked(house)
    await ask(house)
    code = await code_sent(house)
    until = datetime.fromisoformat((await look(house, code)).json()["expires_at"])
    assert timedelta(hours=23) < until - datetime.now(UTC) <= timedelta(hours=24)

    async with house.parts.database.transaction() as session:
        await session.exec(update(BookingsLinkRow).values(expires_at=datetime.now(UTC)))

    refused(await look(house, code), 404, "not_found")
    assert await house.parts.posting.prune() == 1
    assert await house.parts.posting.prune() == 0


async def test_a_link_that_is_over_is_not_sent_again(house: House) -> None:
    await booked(house)
    await ask(house)
    (message,) = await links_sent(house)
    async with desk_in(house) as desk:
        sent = await desk.post(f"/messages/{message.id}/sending", sendings="1")
        assert sent.headers["location"].endswith("?done=again")
        await links_sent(house)
        async with house.parts.database.transaction() as session:
            await session.exec(update(BookingsLinkRow).values(expires_at=datetime.now(UTC)))

        refused_again = await desk.post(f"/messages/{message.id}/sending", sendings="2")

        assert "the link in it works no longer" in (await desk.client.get(refused_again.headers["location"])).text
    assert (await links_sent(house))[0].state is MessageState.KEPT


async def test_without_a_code_nothing_is_shown(house: House) -> None:
    for headers in ({}, {"authorization": "Bearer short"}, {"authorization": f"Basic {'A' * 22}"}):
        answer = await house.client.get(f"/v1/sites/{SITE}/my-bookings", headers=headers)
        refused(answer, 401, "sign_in_needed")


async def test_what_makes_no_sense_is_refused(house: House) -> None:
    await booked(house)
    await ask(house)
    code = await code_sent(house)

    for email in ("", "anna", "a" * 250 + "@example.org", None, 7, [ANNA]):
        refused(await ask(house, email), 400, "invalid_request")
    refused(await ask(house, site="nowhere"), 404, "not_found")
    refused(await look(house, new_id()), 404, "not_found")
    refused(await look(house, code, site="nowhere"), 404, "not_found")
    for after in ("", "x", "1-1", "99999999999-1", "1795230800-9999999999", "1795230800-0"):
        refused(await look(house, code, f"?after={after}"), 400, "invalid_request")


async def test_nothing_of_another_site_or_another_address_is_shown(house: House) -> None:
    await house.found("other")
    here, elsewhere = await booked(house), await booked(house, site="other")
    await booked(house, slot(TALK), email="ben@example.org", name="Ben")
    await ask(house)
    await ask(house, site="other")
    code, other = await code_sent(house), await code_sent(house, "other")

    refused(await look(house, code, site="other"), 404, "not_found")
    assert [one["order"] for one in (await look(house, code)).json()["bookings"]] == [here.id]
    assert [one["order"] for one in (await look(house, other, site="other")).json()["bookings"]] == [elsewhere.id]


async def test_long_lists_come_in_pages(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(my_bookings, "PAGE_LINES", 2)
    for lines in ((slot(), slot(TALK)), (slot(),), (slot(day=1),)):  # two orders, and two slots, at the same time
        await booked(house, *lines)
    await ask(house)
    code = await code_sent(house)

    seen, query, pages = list[tuple[str, str]](), "", 0
    while pages == 0 or query:
        page = (await look(house, code, query)).json()
        assert 0 < len(page["bookings"]) <= 2
        seen += [(one["starts_at"], one["slot"]) for one in page["bookings"]]
        query, pages = f"?after={page['next']}" if page["next"] else "", pages + 1

    assert pages == 2
    assert [at for at, _ in seen] == sorted((at for at, _ in seen), reverse=True)
    assert len(seen) == len({*seen}) + 1 == 4, "two orders have the same slot"


async def test_erased_orders_are_not_shown_and_their_links_and_mails_go(house: House) -> None:
    anna = await booked(house)
    await ask(house)
    code = await code_sent(house)
    await ask(house)
    await anna.cancel()

    async with desk_in(house) as desk:
        erased = await desk.post(f"/orders/{anna.id}/erasure")
    assert erased.status_code == 303

    refused(await look(house, code), 404, "not_found")
    assert await links_sent(house) == []
    await ask(house)
    assert await links_sent(house) == []


async def test_a_link_is_asked_for_a_few_times_an_hour_only(house: House) -> None:
    for _ in range(LINKS_PER_ADDRESS_MAX):
        assert (await ask(house)).status_code == 202
    refused(await ask(house, ANNA.upper()), 429, "too_many_tries")

    for number in range(LINKS_PER_NETWORK_MAX - LINKS_PER_ADDRESS_MAX):
        assert (await ask(house, f"ben-{number}@example.org")).status_code == 202
    refused(await ask(house, "cleo@example.org"), 429, "too_many_tries")


async def test_mails_say_where_all_bookings_are(house: House) -> None:
    await booked(house)
    while await house.parts.posting.post():
        pass

    found = await Messages(house.parts.database).listed((await house.site()).id, limit=9)

    mails = {message.kind: message.mail.plain for message in found if message.mail}
    assert f"Alle Ihre Buchungen bei The studio: {URL}/my/{SITE}\n" in mails[Kind.BOOKED]


async def test_the_page_holds_nothing_and_is_never_framed(house: House) -> None:
    await booked(house)

    page = await house.client.get(f"/my/{SITE}")
    missing = await house.client.get("/my/nowhere")

    assert page.status_code == 200
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert (page.headers["cache-control"], page.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert "Anna" not in page.text
    assert missing.status_code == 404
    assert missing.headers["content-type"].startswith("text/html")
