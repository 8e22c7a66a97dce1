"""The only place that reads and writes sites. Their settings change through schedule.py, under one version."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, case, func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.sites import DEFAULT_PARTITION, Site
from widget_server.errors import HoldEnded, IdConflict, NotFound, StaleEpoch, StaleSchedule
from widget_server.store.audit_log import put_entry
from widget_server.store.database import Database, insert
from widget_server.store.memberships import put_owner
from widget_server.store.tables import SiteRow, values

# Asked by everybody all the time, so they are made once: making one takes longer than running it.
_BY_KEY = select(SiteRow).where(col(SiteRow.key) == bindparam("key"))
_OF_PARTITION = select(SiteRow).where(col(SiteRow.partition) == bindparam("partition")).order_by(col(SiteRow.id))
_LOCKED = (
    select(SiteRow.epoch, SiteRow.schedule_version, SiteRow.outcomes_since)
    .where(col(SiteRow.id) == bindparam("site_id"))
    .with_for_update(read=True)
)


class Sites:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def by_key(self, key: str) -> Site | None:
        async with self._db.snapshot() as session:
            row = (await session.exec(_BY_KEY, params={"key": key})).one_or_none()
        return None if row is None else to_site(row)

    async def by_id(self, site_id: int) -> Site | None:
        async with self._db.snapshot() as session:
            row = await session.get(SiteRow, site_id)
        return None if row is None else to_site(row)

    async def all(self) -> list[Site]:
        async with self._db.snapshot() as session:
            return [to_site(row) for row in await session.exec(select(SiteRow).order_by(col(SiteRow.id)))]

    async def of_partition(self, partition: str) -> list[Site]:
        async with self._db.snapshot() as session:
            return [to_site(row) for row in await session.exec(_OF_PARTITION, params={"partition": partition})]

    async def partitions(self) -> dict[str, int]:
        """Every partition that has sites, and how many."""
        count = select(col(SiteRow.partition), func.count()).group_by(col(SiteRow.partition))
        async with self._db.snapshot() as session:
            return dict((await session.exec(count)).all())

    async def create(
        self,
        *,
        key: str,
        name: str,
        zone: str,
        currency: str,
        at: datetime,
        locale: str = "en",
        accent: str = "#2f6f5e",
        theme: str = "auto",
        holds_on: bool = True,
        hold_minutes: int = 10,
        origins: Sequence[str] = (),
        partition: str = DEFAULT_PARTITION,
        owner_id: int | None = None,
    ) -> Site:
        """A new site in epoch 1 with an empty schedule of version 1. Raises IdConflict where the key is taken.

        An operator who makes it becomes its owner.
        """
        row = SiteRow(
            key=key,
            name=name,
            zone=zone,
            currency=currency,
            locale=locale,
            accent=accent,
            theme=theme,
            holds_on=holds_on,
            hold_minutes=hold_minutes,
            origins=list(origins),
            partition=partition,
            created_at=at,
        )
        async with self._db.transaction() as session:
            new = insert(session, SiteRow).values(values(row)).on_conflict_do_nothing(index_elements=["key"])
            row.id = (await session.exec(new.returning(col(SiteRow.id)))).scalar_one_or_none()
            if row.id is None:
                raise IdConflict("There is already a site with this key.", field="key")
            if owner_id is not None:
                await put_owner(session, row.id, owner_id, at=at)
                put_entry(session, Entry(row.id, owner_id, Deed.SITE_MADE, at))
        return to_site(row)

    async def raise_epoch(self, site_id: int, *, above: int = 0, at: datetime | None = None) -> int:
        """Begin a new filling of Redis, beyond the epoch `above`. What was confirmed before is then in SQL.

        Confirming transactions lock the site's row as they compare the epoch: this waits for them, and later ones lose.
        """
        async with self._db.transaction() as session:
            epoch, noted = col(SiteRow.epoch), {"filled_at": at} if at else {}
            raised = (
                update(SiteRow)
                .where(col(SiteRow.id) == site_id)
                .values(epoch=case((epoch < above, above), else_=epoch) + 1, **noted)
            )
            now_in: int | None = (await session.exec(raised.returning(epoch))).scalar_one_or_none()
        if now_in is None:
            raise NotFound("There is no such site.")
        return now_in


async def lock_site_as_of(
    session: AsyncSession, site_id: int, *, epoch: int, schedule_version: int, began_at: datetime
) -> None:
    """As `lock_site`. Raises StaleEpoch and StaleSchedule where the site was filled anew or changed since.

    Raises HoldEnded for what began so long ago that it may have been given up, and forgotten.
    """
    site = await lock_site(session, site_id)
    if site.epoch != epoch:
        raise StaleEpoch(f"the site is in epoch {site.epoch}, not {epoch}")
    if site.schedule_version != schedule_version:
        raise StaleSchedule(f"the schedule is in version {site.schedule_version}, not {schedule_version}")
    if site.outcomes_since is not None and began_at < site.outcomes_since:
        raise HoldEnded("This took too long: choose your seats again.")


class LockedSite(NamedTuple):
    epoch: int
    schedule_version: int
    outcomes_since: datetime | None
    """Pins given up before then may be forgotten."""


async def lock_site(session: AsyncSession, site_id: int) -> LockedSite:
    """What stays as it is until we are done; others may lock it likewise meanwhile. Raises NotFound."""
    found = (await session.exec(_LOCKED, params={"site_id": site_id})).one_or_none()
    if found is None:
        raise NotFound("There is no such site.")
    return LockedSite(*found)


async def lock_site_alone(session: AsyncSession, site_id: int) -> None:
    """Nobody else locks it until we are done, nor changes it. Again in the same transaction: the same."""
    alone = select(SiteRow.id).where(col(SiteRow.id) == site_id).with_for_update(key_share=True)
    await session.exec(alone)


def to_site(row: SiteRow) -> Site:
    assert row.id is not None
    return Site(
        id=row.id,
        key=row.key,
        name=row.name,
        zone=ZoneInfo(row.zone),
        currency=row.currency,
        locale=row.locale,
        accent=row.accent,
        theme=row.theme,
        holds_on=row.holds_on,
        hold_minutes=row.hold_minutes,
        origins=tuple(row.origins),
        partition=row.partition,
        epoch=row.epoch,
        schedule_version=row.schedule_version,
        staff_enter_shifts=row.staff_enter_shifts,
        is_test=row.is_test,
        coupons_last_day=row.coupons_last_day,
        receipt_seller=row.receipt_seller,
        receipt_tax=row.receipt_tax,
    )
