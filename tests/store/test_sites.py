"""Sites are found by the key in the snippet."""

import pytest

from tests.store.studio import NOW, found
from widget_server.domain.sites import Site
from widget_server.errors import IdConflict, NotFound
from widget_server.store.database import Database
from widget_server.store.sites import Sites

pytestmark = pytest.mark.anyio


async def test_a_site_is_found_by_its_key_and_by_its_id(db: Database, site: Site) -> None:
    assert await Sites(db).by_key("studio") == site
    assert await Sites(db).by_id(site.id) == site
    assert await Sites(db).by_key("another") is None
    assert await Sites(db).by_id(site.id + 1) is None


async def test_all_sites_come_in_the_order_in_which_they_were_made(db: Database, site: Site) -> None:
    other = await found(db, "other")

    assert await Sites(db).all() == [site, other]


async def test_a_key_that_is_taken_is_refused_and_its_site_stays_as_it_is(db: Database, site: Site) -> None:
    with pytest.raises(IdConflict):
        await Sites(db).create(key="studio", name="Thief", zone="UTC", currency="USD", at=NOW)

    assert await Sites(db).all() == [site]


async def test_an_epoch_only_rises(db: Database, site: Site) -> None:
    assert [await Sites(db).raise_epoch(site.id) for _ in range(3)] == [2, 3, 4]

    again = await Sites(db).by_key("studio")
    assert again is not None
    assert again.epoch == 4


async def test_a_new_epoch_is_beyond_the_one_that_redis_remembers(db: Database, site: Site) -> None:
    """After an older backup of SQL, Redis may be ahead."""
    assert await Sites(db).raise_epoch(site.id, above=7) == 8

    assert await Sites(db).raise_epoch(site.id, above=3) == 9


async def test_a_site_that_does_not_exist_has_no_epoch(db: Database, site: Site) -> None:
    with pytest.raises(NotFound):
        await Sites(db).raise_epoch(site.id + 1)
