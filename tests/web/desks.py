"""An operator at their desk: signed in to a whole server, with a browser that sends what browsers send."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from httpx2 import ASGITransport, AsyncClient
from httpx2 import Response as Answer

from tests.house import SITE, URL, House
from widget_server.domain.audit_log import KeptEntry
from widget_server.domain.operators import Operator
from widget_server.ids import hash_secret, new_id
from widget_server.store.audit_log import AuditLog
from widget_server.store.operators import Operators
from widget_server.web.forms import form_token


@dataclass(frozen=True)
class Desk:
    house: House
    client: AsyncClient
    operator: Operator
    session: str
    site: str

    def path(self, below: str) -> str:
        return f"/admin/sites/{self.site}{below}"

    async def get(self, below: str) -> Answer:
        return await self.client.get(self.path(below))

    async def post(self, below: str, **fields: str) -> Answer:
        """A form of one of our own pages."""
        fields = {"form_token": form_token(self.session), **fields}
        return await self.client.post(self.path(below), data=fields, headers={"sec-fetch-site": "same-origin"})

    async def entries(self) -> list[KeptEntry]:
        """What the audit log has of the site, the newest first."""
        site = await self.house.site(self.site)
        return list(await AuditLog(self.house.parts.database).entries(site.id, limit=100))


@asynccontextmanager
async def desk_in(house: House, site_key: str = SITE) -> AsyncIterator[Desk]:
    operators, site = Operators(house.parts.database), await house.site(site_key)
    token, session, now = new_id(), new_id(), datetime.now(UTC)
    until = now + timedelta(days=1)
    await operators.offer_setup(site.id, hash_secret(token), until=until)
    email = f"operator-{token.lower()}@{site_key}.example"
    operator = await operators.set_up(hash_secret(token), email=email, password_hash="none that matches", at=now)
    assert operator is not None
    await operators.sign_in(operator.id, hash_secret(session), at=now, until=until)
    async with AsyncClient(transport=ASGITransport(app=house.app), base_url=URL, cookies={"tenuto": session}) as client:
        yield Desk(house, client, operator, session, site_key)
