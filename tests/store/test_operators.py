"""Who may run a site: the first-run link works once, sign-ins run out and can be revoked."""

from datetime import timedelta

import anyio
import pytest

from tests.store.studio import NOW, found
from widget_server.domain.operators import Operator
from widget_server.domain.sites import Site
from widget_server.errors import IdConflict
from widget_server.ids import hash_secret
from widget_server.store.database import Database
from widget_server.store.operators import Operators

pytestmark = pytest.mark.anyio

LINK, COOKIE, OTHER_COOKIE = hash_secret("link"), hash_secret("cookie"), hash_secret("other cookie")
WEEK = timedelta(days=7)


@pytest.fixture
async def anna(db: Database, site: Site) -> Operator:
    return await set_up(db, site, "anna@example.org")


async def set_up(db: Database, site: Site, email: str) -> Operator:
    await Operators(db).offer_setup(site.id, LINK, until=NOW + WEEK)
    operator = await Operators(db).set_up(LINK, email=email, password_hash="argon", at=NOW)
    assert operator is not None
    return operator


async def test_a_first_run_link_makes_an_operator(db: Database, site: Site) -> None:
    operators = Operators(db)
    await operators.offer_setup(site.id, LINK, until=NOW + WEEK)
    assert await operators.setup_of(LINK, NOW) == site.id
    assert not await operators.any_of(site.id)

    anna = await operators.set_up(LINK, email="Anna@Example.org", password_hash="argon", at=NOW)

    assert anna == await operators.by_email("ANNA@example.org")
    assert anna is not None
    assert (anna.email, anna.password_hash) == ("anna@example.org", "argon")
    assert await operators.any_of(site.id)


async def test_a_first_run_link_works_once_even_for_two_at_once(db: Database, site: Site) -> None:
    await Operators(db).offer_setup(site.id, LINK, until=NOW + WEEK)
    made: list[Operator | None] = []

    async def use(email: str) -> None:
        made.append(await Operators(db).set_up(LINK, email=email, password_hash="argon", at=NOW))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(use, "anna@example.org")
        tasks.start_soon(use, "ben@example.org")

    assert made.count(None) == 1
    assert await Operators(db).setup_of(LINK, NOW) is None


async def test_a_first_run_link_runs_out(db: Database, site: Site) -> None:
    await Operators(db).offer_setup(site.id, LINK, until=NOW + WEEK)

    assert await Operators(db).setup_of(LINK, NOW + WEEK) is None
    assert await Operators(db).set_up(LINK, email="anna@example.org", password_hash="argon", at=NOW + WEEK) is None


async def test_a_new_first_run_link_ends_the_one_before(db: Database, site: Site) -> None:
    await Operators(db).offer_setup(site.id, LINK, until=NOW + WEEK)
    await Operators(db).offer_setup(site.id, hash_secret("new link"), until=NOW + WEEK)

    assert await Operators(db).setup_of(LINK, NOW) is None


async def test_a_second_link_gives_an_operator_a_new_password_and_ends_old_sign_ins(
    db: Database, site: Site, anna: Operator
) -> None:
    await Operators(db).sign_in(anna.id, COOKIE, at=NOW, until=NOW + WEEK)
    await Operators(db).offer_setup(site.id, LINK, until=NOW + WEEK)

    again = await Operators(db).set_up(LINK, email=anna.email, password_hash="new argon", at=NOW)

    assert again is not None
    assert (again.id, again.password_hash) == (anna.id, "new argon")
    assert await Operators(db).signed_in(COOKIE, NOW) is None


async def test_a_link_cannot_take_over_an_operator_of_another_site(db: Database, anna: Operator) -> None:
    other = await found(db, "other")
    await Operators(db).offer_setup(other.id, LINK, until=NOW + WEEK)

    with pytest.raises(IdConflict):
        await Operators(db).set_up(LINK, email=anna.email, password_hash="stolen", at=NOW)
    assert await Operators(db).by_email(anna.email) == anna
    assert await Operators(db).setup_of(LINK, NOW) == other.id


async def test_a_sign_in_lasts_until_it_runs_out(db: Database, anna: Operator) -> None:
    await Operators(db).sign_in(anna.id, COOKIE, at=NOW, until=NOW + WEEK)

    signed_in = await Operators(db).signed_in(COOKIE, NOW + WEEK - timedelta(seconds=1))
    assert signed_in is not None
    assert (signed_in.operator, signed_in.created_at, signed_in.expires_at) == (anna, NOW, NOW + WEEK)
    assert await Operators(db).signed_in(COOKIE, NOW + WEEK) is None
    assert await Operators(db).signed_in(OTHER_COOKIE, NOW) is None


async def test_a_sign_in_can_be_prolonged(db: Database, anna: Operator) -> None:
    await Operators(db).sign_in(anna.id, COOKIE, at=NOW, until=NOW + WEEK)
    await Operators(db).prolong(COOKIE, until=NOW + 2 * WEEK)

    assert await Operators(db).signed_in(COOKIE, NOW + WEEK) is not None


async def test_signing_out_ends_one_sign_in_and_doing_so_again_nothing_more(db: Database, anna: Operator) -> None:
    await Operators(db).sign_in(anna.id, COOKIE, at=NOW, until=NOW + WEEK)
    await Operators(db).sign_in(anna.id, OTHER_COOKIE, at=NOW, until=NOW + WEEK)

    await Operators(db).sign_out(COOKIE)
    await Operators(db).sign_out(COOKIE)
    await Operators(db).prolong(COOKIE, until=NOW + 2 * WEEK)

    assert await Operators(db).signed_in(COOKIE, NOW) is None
    assert await Operators(db).signed_in(OTHER_COOKIE, NOW) is not None


async def test_a_new_password_ends_all_sign_ins(db: Database, anna: Operator) -> None:
    await Operators(db).sign_in(anna.id, COOKIE, at=NOW, until=NOW + WEEK)

    await Operators(db).set_password(anna.id, "new argon")

    assert await Operators(db).signed_in(COOKIE, NOW) is None
    changed = await Operators(db).by_email(anna.email)
    assert changed is not None
    assert changed.password_hash == "new argon"


async def test_a_password_hash_is_not_shown_by_accident(anna: Operator) -> None:
    assert "argon" not in repr(anna)
