"""What operators have done is kept with the change itself, site by site, the newest first."""

from datetime import timedelta

import pytest

from tests.store.studio import NOW, confirmation, found
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.sites import Site
from widget_server.ids import hash_secret, new_id
from widget_server.store import audit_log
from widget_server.store.audit_log import AuditLog
from widget_server.store.bookings import Bookings
from widget_server.store.database import Database
from widget_server.store.operators import Operators

pytestmark = pytest.mark.anyio


async def hire(db: Database, site: Site, email: str = "anna@example.org") -> int:
    token = new_id()
    await Operators(db).offer_setup(site.id, hash_secret(token), until=NOW + timedelta(days=1))
    operator = await Operators(db).set_up(hash_secret(token), email=email, password_hash="none", at=NOW)
    assert operator is not None
    return operator.id


async def test_entries_are_read_by_deed_and_time_and_page_by_page(db: Database, site: Site) -> None:
    log, operator = AuditLog(db), await hire(db, site)
    deeds = [Deed.HOLD_RELEASED, Deed.HOLD_EXTENDED, Deed.HOLD_RELEASED]
    for hour, deed in enumerate(deeds):
        await log.keep(Entry(site.id, operator, deed, NOW + timedelta(hours=hour), "x", {"seats": hour}))

    whole = await log.entries(site.id, limit=9)

    assert [(entry.deed, entry.operator) for entry in whole] == [(deed, "anna@example.org") for deed in deeds[::-1]]
    assert [entry.detail["seats"] for entry in await log.entries(site.id, limit=9, deed=Deed.HOLD_RELEASED)] == [2, 0]
    assert await log.entries(site.id, limit=1, before=whole[0].id) == [whole[1]]
    since, until = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
    assert await log.entries(site.id, limit=9, since=since, until=until) == [whole[1]]


async def test_an_entry_belongs_to_one_site(db: Database, site: Site) -> None:
    other = await found(db, "other")
    await AuditLog(db).keep(Entry(other.id, await hire(db, other), Deed.HOLD_RELEASED, NOW))

    assert await AuditLog(db).entries(site.id, limit=9) == []
    assert len(await AuditLog(db).entries(other.id, limit=9)) == 1


async def test_entries_are_kept_for_two_years(db: Database, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "_PRUNED_AT_ONCE", 2)
    log, other = AuditLog(db), await found(db, "other")
    for owner in (site, other):
        operator = await hire(db, owner, f"anna@{owner.key}.example")
        for day in (0, 1, 2, 3):
            await log.keep(Entry(owner.id, operator, Deed.HOLD_RELEASED, NOW + timedelta(days=day), str(day)))

    at = NOW + audit_log.ENTRIES_KEPT + timedelta(days=2, hours=1)
    pruned = [await Bookings(db).prune(site.id, at) for _ in range(3)]

    assert pruned == [2, 1, 0]
    assert [entry.about for entry in await log.entries(site.id, limit=9)] == ["3"]
    assert len(await log.entries(other.id, limit=9)) == 4


async def test_a_cancellation_and_its_entry_are_one_and_happen_once(db: Database, site: Site) -> None:
    order = await Bookings(db).confirm(confirmation(site))
    entry = Entry(site.id, await hire(db, site), Deed.BOOKING_CANCELLED, NOW, order.id)

    for _ in range(2):
        await Bookings(db).cancel(site.id, order.id, NOW, entry=entry)

    (kept,) = await AuditLog(db).entries(site.id, limit=9)
    assert (kept.about, kept.order_number) == (order.id, order.number)
