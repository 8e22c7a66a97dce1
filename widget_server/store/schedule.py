"""The only place that raises a schedule's version, and that reads all of a schedule as of one version.

Services and openings are written here, staff, blackouts and rules for single slots in the files of their names.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, case, delete, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.money import Money
from widget_server.domain.schedule import CapacityRule, Opening, Place, Schedule, Service, ServiceKind
from widget_server.domain.services import AttendeesShown
from widget_server.domain.sites import Site
from widget_server.errors import NotFound
from widget_server.sealing import Seal
from widget_server.store.blackouts import read_blackouts
from widget_server.store.database import Database, insert
from widget_server.store.payment_accounts import read_takes_payments
from widget_server.store.questions import rows_of_questions, to_questions
from widget_server.store.sites import to_site
from widget_server.store.slot_rules import read_slot_rules
from widget_server.store.staff import read_days_off, read_shifts, read_staff
from widget_server.store.tables import MeetingRow, OpeningRow, ServiceRow, SiteRow, SlotRuleRow, values

Write = Callable[[AsyncSession], Awaitable[None]]
"""What a change does besides raising the version, out of the `put_…` functions below."""

# Read after every change by every process, so they are made once: making one takes longer than running it.
_SITE = select(SiteRow).where(col(SiteRow.id) == bindparam("site_id"))
_SERVICES = select(ServiceRow).where(col(ServiceRow.site_id) == bindparam("site_id")).order_by(col(ServiceRow.id))
_OPENINGS = (
    select(OpeningRow, ServiceRow.key)
    .join(ServiceRow, col(ServiceRow.id) == col(OpeningRow.service_id))
    .where(col(ServiceRow.site_id) == bindparam("site_id"))
    .order_by(col(OpeningRow.id))
)


class Schedules:
    def __init__(self, db: Database, seal: Seal | None = None) -> None:
        """With a seal, keys that were sealed with another one count as none."""
        self._db = db
        self._sealed_by = seal.name if seal else None

    async def load(self, site_id: int) -> Schedule:
        """Raises NotFound."""
        return (await self.load_with_site(site_id))[1]

    async def load_with_site(self, site_id: int) -> tuple[Site, Schedule]:
        """Both as of the same version. Raises NotFound."""
        async with self._db.snapshot() as session:
            return await read_schedule(session, site_id, sealed_by=self._sealed_by)

    def snapshot(self) -> AbstractAsyncContextManager[AsyncSession]:
        """For several reads as of one moment, by the `read_…` functions. Raises Unavailable."""
        return self._db.snapshot()

    async def change(
        self,
        site_id: int,
        *,
        from_version: int,
        to_version: int,
        epoch: int | None = None,
        write: Write | None = None,
    ) -> bool:
        """Write and raise the version, or nothing at all: False if somebody else has raised it meanwhile.

        With `epoch` also if the site has been filled anew since: then its gate may know nothing of this change.
        Without `write` it is an empty change, which lets SQL catch up with the gate.
        """
        assert to_version > from_version, "versions only rise"
        async with self._db.transaction() as session:
            raised = (
                update(SiteRow)
                .where(col(SiteRow.id) == site_id, col(SiteRow.schedule_version) == from_version)
                .values(schedule_version=to_version)
            )
            if epoch is not None:
                raised = raised.where(col(SiteRow.epoch) == epoch)
            if (await session.exec(raised)).rowcount == 0:
                return False
            if write is not None:
                await write(session)
        return True


async def read_schedule(session: AsyncSession, site_id: int, *, sealed_by: str | None = None) -> tuple[Site, Schedule]:
    """As of this transaction: a change of the schedule finds itself under its new version. Raises NotFound."""
    of_site = {"site_id": site_id}
    site = (await session.exec(_SITE, params=of_site)).one_or_none()
    if site is None:
        raise NotFound("There is no such site.")
    services = await session.exec(_SERVICES, params=of_site)
    openings = await session.exec(_OPENINGS, params=of_site)
    schedule = Schedule(
        version=site.schedule_version,
        zone=ZoneInfo(site.zone),
        services={row.key: _to_service(row, site.currency) for row in services},
        openings=tuple(_to_opening(row, key) for row, key in openings),
        staff=await read_staff(session, site_id),
        shifts=await read_shifts(session, site_id),
        days_off=await read_days_off(session, site_id),
        blackouts=await read_blackouts(session, site_id),
        slot_rules=await read_slot_rules(session, site_id),
        takes_payments=await read_takes_payments(session, site_id, is_test=site.is_test, sealed_by=sealed_by),
    )
    return to_site(site), schedule


async def put_settings(session: AsyncSession, site: Site) -> None:
    """Everything about a site that its operator may set; not its key, partition, epoch and version."""
    await session.exec(
        update(SiteRow)
        .where(col(SiteRow.id) == site.id)
        .values(
            name=site.name,
            zone=site.zone.key,
            currency=site.currency,
            locale=site.locale,
            accent=site.accent,
            theme=site.theme,
            holds_on=site.holds_on,
            hold_minutes=site.hold_minutes,
            origins=list(site.origins),
            staff_enter_shifts=site.staff_enter_shifts,
            is_test=site.is_test,
            receipt_seller=site.receipt_seller,
            receipt_tax=site.receipt_tax,
        )
    )


async def put_service(session: AsyncSession, site_id: int, service: Service, *, at: datetime) -> None:
    """A new service, or what one is from now on.

    Its meetings from `at` on get its capacity; those with more seats booked already keep just these, and those of
    slots with seats of their own keep theirs. By shift it is the people who say how many: whoever confirms writes it.
    """
    row = ServiceRow(
        site_id=site_id,
        key=service.key,
        name=service.name,
        kind=service.kind,
        place=service.place,
        description=service.description,
        length_min=service.length_min,
        capacity=service.capacity,
        seats_per_booking_max=service.seats_per_booking_max,
        price_minor=service.price.amount_minor,
        access=service.access,
        capacity_rule=service.capacity_rule,
        buffer_before_min=service.buffer_before_min,
        buffer_after_min=service.buffer_after_min,
        notice_min=service.notice_min,
        horizon_days=service.horizon_days,
        cancel_until_min=service.cancel_until_min,
        is_offered=service.is_offered,
        remind_hours=service.remind_hours,
        attendees_shown=service.attendees_shown,
        attendee_emails=service.attendee_emails,
        questions=rows_of_questions(service.questions),
        refund_percent=service.refund_percent,
    )
    put = insert(session, ServiceRow).values(values(row))
    await session.exec(put.on_conflict_do_update(index_elements=["site_id", "key"], set_=values(row)))
    if service.capacity_rule is CapacityRule.FIXED:
        await _resize_meetings(session, site_id, service, from_at=at)


async def _resize_meetings(session: AsyncSession, site_id: int, service: Service, *, from_at: datetime) -> None:
    booked, capacity = col(MeetingRow.booked), service.capacity
    sized = select(SlotRuleRow.slot).where(col(SlotRuleRow.site_id) == site_id, col(SlotRuleRow.capacity).is_not(None))
    await session.exec(
        update(MeetingRow)
        .where(
            col(MeetingRow.site_id) == site_id,
            col(MeetingRow.service) == service.key,
            col(MeetingRow.starts_at) >= from_at,
            col(MeetingRow.slot).not_in(sized),
        )
        .values(capacity=case((booked > capacity, booked), else_=capacity))
    )


async def put_openings(session: AsyncSession, site_id: int, service: str, openings: Sequence[Opening]) -> None:
    """These openings in place of all that the service had. Raises NotFound."""
    of_service = select(ServiceRow.id).where(col(ServiceRow.site_id) == site_id, col(ServiceRow.key) == service)
    service_id = (await session.exec(of_service)).one_or_none()
    if service_id is None:
        raise NotFound("There is no such service.")
    await session.exec(delete(OpeningRow).where(col(OpeningRow.service_id) == service_id))
    rows = [
        {
            "service_id": service_id,
            "starts": opening.starts,
            "ends": opening.ends,
            "weekday": opening.weekday,
            "day": opening.day,
            "whole": opening.whole,
        }
        for opening in openings
    ]
    if rows:
        await session.exec(insert(session, OpeningRow), params=rows)  # in one go: there may be thousands


def _to_service(row: ServiceRow, currency: str) -> Service:
    return Service(
        key=row.key,
        name=row.name,
        kind=ServiceKind(row.kind),
        place=Place(row.place),
        description=row.description,
        length_min=row.length_min,
        capacity=row.capacity,
        seats_per_booking_max=row.seats_per_booking_max,
        price=Money(row.price_minor, currency),
        access=row.access,
        capacity_rule=CapacityRule(row.capacity_rule),
        buffer_before_min=row.buffer_before_min,
        buffer_after_min=row.buffer_after_min,
        notice_min=row.notice_min,
        horizon_days=row.horizon_days,
        cancel_until_min=row.cancel_until_min,
        is_offered=row.is_offered,
        remind_hours=row.remind_hours,
        attendees_shown=AttendeesShown(row.attendees_shown),
        attendee_emails=row.attendee_emails,
        questions=to_questions(row.questions),
        refund_percent=row.refund_percent,
    )


def _to_opening(row: OpeningRow, service: str) -> Opening:
    return Opening(service, row.starts, row.ends, row.weekday, row.day, row.whole, row.id)
