"""An operator in the rooms about what can be booked when, and what they type there."""

import re
from dataclasses import dataclass
from datetime import date
from html import unescape

from httpx2 import Response as Answer

from tests.house import House, slot
from tests.web.rooms import fields_of
from widget_server.domain.schedule import Schedule
from widget_server.domain.sites import Site

HOME = "/admin/sites/studio"
DAY = slot().starts_at.date()
"""The day after tomorrow, with yoga at 8, 9, 10 and 11 on the clocks of the site, which show UTC."""
CALENDAR = f"{HOME}/services/yoga/calendar?week={DAY}"


@dataclass(frozen=True)
class Desk:
    """An operator of the studio, signed in."""

    house: House

    async def get(self, path: str) -> Answer:
        return await self.house.client.get(path)

    async def post(self, path: str, fields: dict[str, str]) -> Answer:
        return await self.house.client.post(path, data=fields, headers={"sec-fetch-site": "same-origin"})

    async def fill_in(self, path: str, **typed: str) -> Answer:
        """The form as it is shown, with some fields changed."""
        return await self.post(path, fields_of(await self.get(path)) | spelled(typed))

    async def schedule(self, site: str = "studio") -> Schedule:
        return (await self.house.parts.use_cases.sites.read(await self.house.site(site)))[1]

    def forget(self) -> None:
        """What the process keeps in memory, as the feed will tell it to in a moment."""
        self.house.parts.use_cases.catalog.forget("studio")


async def desk_at(house: House) -> Desk:
    await sign_in(house, await house.site())
    return Desk(house)


async def sign_in(house: House, site: Site) -> None:
    sites = house.parts.use_cases.sites
    session = await sites.set_up(
        await sites.first_run_token(site), f"{site.key}@example.org", "seven quiet herons", network="192.0.2.0/24"
    )
    house.client.cookies.set("tenuto", session)


def spelled(typed: dict[str, str]) -> dict[str, str]:
    """`t_0_starts` for `t-0-starts`: names of rows are no names in Python."""
    return {re.sub(r"^([a-z]+)_(\d+)_([a-z]+)$", r"\1-\2-\3", name): value for name, value in typed.items()}


def text_of(page: Answer) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page.text)))


def blank_row(fields: dict[str, str], day: date) -> str:
    """The prefix of the row on this day in which nothing is typed yet."""
    rows = [name.removesuffix("-day") for name, value in fields.items() if value == str(day) and name.startswith("t-")]
    return next(row for row in rows if not fields[f"{row}-starts"])


async def add_time(desk: Desk, starts: str, ends: str, day: date = DAY, **more: str) -> Answer:
    fields = fields_of(await desk.get(CALENDAR))
    row = blank_row(fields, day)
    return await desk.post(CALENDAR, fields | {f"{row}-starts": starts, f"{row}-ends": ends} | more)


async def let_anna_serve(desk: Desk) -> None:
    fields = fields_of(await desk.get(f"{HOME}/staff/new")) | {"name": "Anna", "serves-yoga": "on"}
    shifts = {f"w-{n}-{field}": value for n in range(7) for field, value in _shift(n).items()}
    await desk.post(f"{HOME}/staff/new", fields | shifts)
    answer = await desk.fill_in(f"{HOME}/services/yoga", capacity_rule="by_shift", capacity="3")
    assert answer.status_code == 303, text_of(answer)
    desk.forget()


def _shift(weekday: int) -> dict[str, str]:
    return {"day": str(weekday), "starts": "08:00", "ends": "12:00"}
