"""Where a widget was seen is noted for its operator, and not at every page."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.use_cases.office import NOW, Office, open_office
from widget_server.domain.sites import Site
from widget_server.store.sightings import Sighting
from widget_server.store.sightings import Sightings as StoredSightings
from widget_server.use_cases.sightings import EVERY, Sightings

pytestmark = pytest.mark.anyio

OURS, ALSO_OURS = "https://www.example.org", "https://shop.example.org"


@pytest.fixture
async def office(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Office]:
    office = open_office(tmp_path, sqlite_template)
    yield office
    await office.database.close()


@pytest.fixture
async def site(office: Office) -> Site:
    return replace(await office.found("studio"), origins=(OURS, ALSO_OURS))


def sightings_of(office: Office) -> Sightings:
    return Sightings(StoredSightings(office.database), office.clock)


async def test_what_may_not_show_the_widget_was_never_seen(office: Office, site: Site) -> None:
    sightings = sightings_of(office)

    for stranger in ("", "https://stranger.example", "https://www.example.org.stranger.example"):
        await sightings.note(site, stranger)

    assert await sightings.of(site) is None


async def test_it_is_written_once_a_minute_at_most(office: Office, site: Site) -> None:
    sightings = sightings_of(office)

    await sightings.note(site, OURS)
    office.clock.advance(EVERY - timedelta(seconds=1))
    await sightings.note(site, ALSO_OURS)
    assert await sightings.of(site) == Sighting(OURS, NOW)
    office.clock.advance(timedelta(seconds=1))
    await sightings.note(site, ALSO_OURS)

    assert await sightings.of(site) == Sighting(ALSO_OURS, NOW + EVERY)
