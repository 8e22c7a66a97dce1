"""The room of messages: listed, shown exactly as sent, sent again, and all kinds to be looked at before."""

import re

import pytest

from tests.house import SITE, House
from tests.web.desks import Desk, desk_in
from widget_server.domain.messages import Kind, MessageState, Role
from widget_server.store.messages import Messages
from widget_server.store.sending import Sending
from widget_server.use_cases.messages import LANGUAGES, READERS

pytestmark = pytest.mark.anyio

ANNA = {"name": "Anna <b>Berg</b>", "email": "anna@example.org", "zone": "UTC", "locale": "en-GB"}


async def booked(house: House, site: str = SITE) -> int:
    """The id of the message that tells anna."""
    anna = house.guest(site)
    await anna.hold()
    assert (await anna.confirm(customer=ANNA)).status_code == 201
    while await house.parts.posting.post():
        pass
    found = await Messages(house.parts.database).listed((await house.site(site)).id, limit=9)
    return next(message.id for message in found if message.kind is Kind.BOOKED)


async def test_the_first_look_says_what_to_do(house: House) -> None:
    async with desk_in(house) as desk:
        empty = await desk.get("/messages")

    assert "No messages yet." in empty.text
    assert "TENUTO_SMTP_URL" in empty.text


async def test_messages_are_listed_and_found(house: House) -> None:
    async with desk_in(house) as desk:
        await booked(house)

        for query, is_there in (
            ("", True),
            ("?text=anna%40", True),
            ("?state=kept", True),
            ("?state=refused", False),
            ("?text=nobody", False),
            ("?before=1", False),
            ("?before=99999999999&state=odd", True),
        ):
            page = await desk.get(f"/messages{query}")
            assert page.status_code == 200
            assert ("anna@example.org" in page.text) is is_there, query


async def test_a_mail_is_shown_exactly_and_can_do_nothing(house: House) -> None:
    async with desk_in(house) as desk:
        message_id = await booked(house)

        page = await desk.get(f"/messages/{message_id}")
        body = await desk.get(f"/messages/{message_id}/body")
        file = await desk.get(f"/messages/{message_id}/booking.ics")

    assert "Hello Anna &lt;b&gt;Berg&lt;/b&gt;," in page.text
    assert 'sandbox=""' in page.text
    assert "Hello Anna &lt;b&gt;Berg&lt;/b&gt;," in body.text
    assert re.search(r'href="http://localhost:8000/o/studio/[\w-]{22}#[\w-]{22}"', body.text)
    policy = body.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox;" in policy
    assert file.headers["content-type"].startswith("text/calendar")
    assert max(len(line.encode()) for line in file.text.split("\r\n")) <= 75


async def test_one_press_sends_once_more_and_the_second_changes_nothing(house: House) -> None:
    async with desk_in(house) as desk:
        message_id = await booked(house)

        first = await desk.post(f"/messages/{message_id}/sending", sendings="1")
        second = await desk.post(f"/messages/{message_id}/sending", sendings="1")

        assert first.headers["location"].endswith("?done=again")
        assert second.headers["location"].endswith("?done=before")
        assert "It goes out once more" in (await desk.client.get(first.headers["location"])).text
        (entry,) = await desk.entries()
        assert (entry.deed, entry.detail) == ("message_sent_again", {"kind": "booked", "recipient": "customer"})
        assert "anna" not in str(entry).lower()


@pytest.mark.parametrize("sendings", ["", "0", "-1", "x", "9" * 30])
async def test_a_press_that_makes_no_sense_sends_nothing(house: House, sendings: str) -> None:
    async with desk_in(house) as desk:
        message_id = await booked(house)

        answer = await desk.post(f"/messages/{message_id}/sending", sendings=sendings)

        assert answer.headers["location"].endswith("?done=before")
        assert await desk.entries() == []


async def test_a_mail_that_came_back_counts_as_refused_until_it_is_sent_again(house: House) -> None:
    async with desk_in(house) as desk:
        message_id = await booked(house)
        now = house.parts.use_cases.dashboard.now()
        assert "This one came back" not in (await desk.get(f"/messages/{message_id}")).text
        await desk.post(f"/messages/{message_id}/sending", sendings="1")
        await Sending(house.parts.database).ended(message_id, MessageState.SENT, now)
        assert "This one came back" in (await desk.get(f"/messages/{message_id}")).text

        for sendings, told in (("1", "Nothing has changed"), ("2", "It did not arrive."), ("2", "Nothing has changed")):
            answer = await desk.post(f"/messages/{message_id}/return", sendings=sendings)
            assert told in (await desk.client.get(answer.headers["location"])).text
            assert ("could not be delivered" in (await desk.get("")).text) is (sendings == "2")
        assert [entry.deed for entry in await desk.entries()] == ["message_came_back", "message_sent_again"]
        await desk.post(f"/messages/{message_id}/sending", sendings="2")
        assert "could not be delivered" not in (await desk.get("")).text


async def test_what_could_not_be_delivered_is_on_the_first_page(house: House) -> None:
    async with desk_in(house) as desk:
        assert "could not be delivered" not in (await desk.get("")).text
        anna = house.guest()
        await anna.hold()
        await anna.confirm(customer=ANNA)
        site = await house.site()
        (message, *_) = await Messages(house.parts.database).listed(site.id, limit=9)
        now = house.parts.use_cases.dashboard.now()
        await Sending(house.parts.database).ended(message.id, MessageState.REFUSED, now, "550 no such person")

        assert "1 message could not be delivered." in (await desk.get("")).text
        assert "550 no such person" in (await desk.get("/messages?state=refused")).text


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_kind_can_be_looked_at_before(house: House, language: str) -> None:
    async with desk_in(house) as desk:
        for kind, role in READERS:
            query = f"kind={kind}.{role}&language={language}"
            assert (await desk.get(f"/messages/preview?{query}")).status_code == 200
            body = await desk.get(f"/messages/preview/body?{query}")
            assert f'<html lang="{language}' in body.text
        assert (await desk.get("/messages/preview?kind=odd&language=odd")).status_code == 200


@pytest.mark.parametrize("path", ["/{id}", "/{id}/body", "/{id}/booking.ics", "/0", "/x", "/99999999999999999999"])
async def test_messages_of_another_site_are_not_there(house: House, path: str) -> None:
    await house.found("other")
    message_id = await booked(house, "other")
    async with desk_in(house) as desk:
        answer = await desk.get("/messages" + path.format(id=message_id))
        press = await desk.post(f"/messages/{message_id}/sending", sendings="1")

    assert (answer.status_code, press.status_code) == (404, 404)


async def test_a_message_that_is_not_written_yet_says_so(house: House) -> None:
    async with desk_in(house) as desk:
        anna = house.guest()
        await anna.hold()
        await anna.confirm(customer=ANNA)
        found = await Messages(house.parts.database).listed((await house.site()).id, limit=9)
        message_id = next(one.id for one in found if one.role is Role.CUSTOMER)

        page, body = await _both(desk, message_id)

    assert "It is written when its turn comes" in page
    assert body == 404


async def _both(desk: Desk, message_id: int) -> tuple[str, int]:
    page = await desk.get(f"/messages/{message_id}")
    return page.text, (await desk.get(f"/messages/{message_id}/body")).status_code
