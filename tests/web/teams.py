"""A site with people: its owner at their desk, and Mia, who serves and signs in as staff."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import time

from httpx2 import ASGITransport, AsyncClient
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.house import URL, House
from tests.use_cases.office import NETWORK, PASSWORD
from tests.web.desks import Desk
from widget_server.domain.staffing import Shift, StaffMember
from widget_server.store.operators import Operators
from widget_server.store.staff import put_member, put_shifts

MIA, MIAS = StaffMember("mia", "Mia Lind", services=frozenset({"yoga"})), "mia@example.org"
NOAH = StaffMember("noah", "Noah Ross", services=frozenset({"yoga"}))


async def hire(house: House, site_key: str = "studio") -> None:
    """Mia and Noah, who are there every morning."""
    site = await house.site(site_key)

    async def write(session: AsyncSession) -> None:
        for member in (MIA, NOAH):
            await put_member(session, site.id, member)
            shifts = [Shift(member.key, time(8), time(12), weekday=weekday) for weekday in range(7)]
            await put_shifts(session, site.id, member.key, shifts)

    await house.change(write, site_key)


async def invitation_for(desk: Desk, email: str = MIAS, *, role: str = "staff", staff: str = "mia") -> str:
    """The secret of its link."""
    use_cases = desk.house.parts.use_cases
    site, schedule = await use_cases.sites.read(await desk.house.site(desk.site))
    operator_id = desk.operator.id
    invited = await use_cases.people.invite(site, schedule, email, role=role, staff=staff, operator_id=operator_id)
    return invited.token


@asynccontextmanager
async def desk_of_staff(owner: Desk, email: str = MIAS, staff: str = "mia") -> AsyncIterator[Desk]:
    house = owner.house
    token = await invitation_for(owner, email, staff=staff)
    accepted = await house.parts.use_cases.people.accept(token, PASSWORD, None, network=NETWORK)
    operator = await Operators(house.parts.database).by_email(email)
    assert operator is not None
    cookies = {"tenuto": accepted.session}
    async with AsyncClient(transport=ASGITransport(app=house.app), base_url=URL, cookies=cookies) as client:
        yield Desk(house, client, operator, accepted.session, owner.site)
