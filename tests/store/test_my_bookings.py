"""Links to all that was booked with an address: the newest counts, whoever writes their mails in whatever order."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from anyio import create_task_group

from tests.store.studio import ANNA, NOW, confirmation, found
from tests.store.test_messages import LEASE, MAIL
from widget_server.domain.messages import Kind, MessageState, NewMessage, Role
from widget_server.domain.sites import Site
from widget_server.ids import hash_address, hash_secret
from widget_server.store.bookings import Bookings
from widget_server.store.database import Database
from widget_server.store.messages import Messages, my_bookings_event
from widget_server.store.my_bookings import NewLink, StoredMyBookings
from widget_server.store.sending import Sending, Written

pytestmark = pytest.mark.anyio

OF_ANNA = hash_address(ANNA.email)
UNTIL = NOW + timedelta(hours=24)


def link(site: Site, code: str, *, asked_at: datetime = NOW, of: str = OF_ANNA) -> NewLink:
    return NewLink(site.id, of, hash_secret(code), asked_at, asked_at + timedelta(hours=24))


async def ask(db: Database, site: Site, at: datetime = NOW, address: str = ANNA.email) -> int:
    """The id of the message that waits then."""
    event = my_bookings_event(hash_address(address), at)
    await StoredMyBookings(db).ask(NewMessage(site.id, Kind.MY_BOOKINGS, Role.CUSTOMER, event, at, address=address))
    return next(one.id for one in await Messages(db).listed(site.id, limit=100) if one.event == event)


def written(message_id: int, new: NewLink) -> Written:
    return Written(message_id, ANNA.email, "en", "UTC", MAIL, link=new)


async def is_shown(db: Database, site: Site, code: str, at: datetime = NOW) -> bool:
    return await StoredMyBookings(db).listed(site.id, hash_secret(code), at=at, limit=9) is not None


async def test_a_link_that_was_asked_for_earlier_does_not_take_the_place_of_a_later_one(
    db: Database, site: Site
) -> None:
    later_at = NOW + timedelta(seconds=1)
    first, second = await ask(db, site), await ask(db, site, later_at)

    await Sending(db).write([written(second, link(site, "second", asked_at=later_at))], NOW)
    await Sending(db).write([written(first, link(site, "first"))], NOW)

    assert [await is_shown(db, site, code) for code in ("first", "second")] == [False, True]
    assert not await is_shown(db, site, "second", later_at + timedelta(hours=24))


async def test_a_mail_that_does_not_wait_any_more_opens_nothing(db: Database, site: Site) -> None:
    message_id = await ask(db, site)
    await Sending(db).write([Written(message_id, is_kept=False)], NOW)

    assert await Sending(db).write([written(message_id, link(site, "late"))], NOW) == frozenset()

    assert not await is_shown(db, site, "late")
    assert await Messages(db).listed(site.id, limit=9) == []


async def test_a_mail_that_does_not_wait_any_more_renews_nothing(db: Database, site: Site) -> None:
    message_id = await ask(db, site)
    await Sending(db).write([written(message_id, link(site, "code"))], NOW)
    assert await Sending(db).renew(message_id, link(site, "code"))
    assert await is_shown(db, site, "code")

    await Sending(db).ended(message_id, MessageState.DROPPED, NOW)

    later = replace(link(site, "code"), expires_at=UNTIL + timedelta(hours=9))
    assert not await Sending(db).renew(message_id, later)
    assert not await is_shown(db, site, "code", UNTIL)


async def test_what_is_written_and_sent_is_not_forgotten_by_who_finds_no_bookings(db: Database, site: Site) -> None:
    message_id = await ask(db, site)
    await Sending(db).due(1, at=NOW, claim=LEASE)
    await Sending(db).write([written(message_id, link(site, "code"))], NOW)
    await Sending(db).ended(message_id, MessageState.SENT, NOW)

    await Sending(db).write([Written(message_id, is_kept=False)], NOW)

    assert len(await Messages(db).listed(site.id, limit=9)) == 1


async def test_many_workers_that_write_links_of_the_same_people_do_not_stop_each_other(
    db: Database, site: Site
) -> None:
    other = await found(db, "other")
    addresses = [f"anna-{n}@example.org" for n in range(4)]
    orders = (addresses, addresses[::-1], addresses[2:] + addresses[:2])
    waiting: list[list[Written]] = []
    for number, order in enumerate(orders):
        at = NOW + timedelta(seconds=number)
        news = [
            (
                await ask(db, of, at, address),
                link(of, f"{number}-{of.id}-{address}", asked_at=at, of=hash_address(address)),
            )
            for address in order
            for of in (site, other)
        ]
        waiting.append([written(*new) for new in news])

    async with create_task_group() as group:
        for some in waiting:
            group.start_soon(Sending(db).write, some, NOW)

    for of in (site, other):
        for address in addresses:
            shown = [await is_shown(db, of, f"{number}-{of.id}-{address}") for number in range(len(orders))]
            assert shown == [False, False, True]


async def test_expired_links_are_forgotten_and_no_others(db: Database, site: Site) -> None:
    other = await found(db, "other")
    await Sending(db).write([written(await ask(db, site), link(site, "old"))], NOW)
    at = NOW + timedelta(hours=1)
    await Sending(db).write([written(await ask(db, other, at), link(other, "new", asked_at=at))], NOW)

    assert await Sending(db).prune_links(UNTIL) == 1
    assert await Sending(db).prune_links(UNTIL) == 0
    assert await is_shown(db, other, "new", UNTIL)


async def test_an_address_is_kept_with_a_booking_only_where_there_is_one(db: Database, site: Site) -> None:
    await Bookings(db).confirm(confirmation(site, customer=replace(ANNA, email="")))
    await Sending(db).write([written(await ask(db, site), link(site, "code"))], NOW)

    assert (await StoredMyBookings(db).listed(site.id, hash_secret("code"), at=NOW, limit=9)).bookings == []  # type: ignore[union-attr]
