import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.use_cases.office import ANNA, NETWORK, PASSWORD, Office, open_office
from widget_server.domain.operators import Role
from widget_server.errors import Changed, IdConflict, InvalidRequest, NotFound, SignInNeeded, TooLate, TooManyTries
from widget_server.use_cases.sites import SESSION_IDLE, SESSION_MAX, SETUP_LASTS, SignedIn, mark

pytestmark = pytest.mark.anyio

BEN = "ben@example.org"


@pytest.fixture
async def office(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Office]:
    office = open_office(tmp_path, sqlite_template)
    yield office
    await office.database.close()


async def signed_in(office: Office, session: str) -> SignedIn:
    found = await office.sites.signed_in(session)
    assert found is not None
    return found


async def test_a_first_run_link_makes_an_operator_who_is_signed_in(office: Office) -> None:
    site = await office.found("studio")
    assert await office.sites.needs_setup(site)
    token = await office.sites.first_run_token(site)

    session = await office.sites.set_up(token, "Anna@Example.org", PASSWORD, network=NETWORK)

    anna = await signed_in(office, session)
    assert anna.email == "anna@example.org"
    assert [(one.site_id, one.site_key, one.role) for one in anna.memberships] == [(site.id, "studio", Role.OWNER)]
    assert not await office.sites.needs_setup(site)


async def test_a_first_run_link_works_once(office: Office) -> None:
    token = await office.sites.first_run_token(await office.found("studio"))
    await office.sites.set_up(token, ANNA, PASSWORD, network=NETWORK)

    with pytest.raises(TooLate):
        await office.sites.set_up(token, BEN, PASSWORD, network=NETWORK)


async def test_of_two_who_use_a_first_run_link_at_once_one_gets_in(office: Office) -> None:
    token = await office.sites.first_run_token(await office.found("studio"))

    tries = (office.sites.set_up(token, email, PASSWORD, network=NETWORK) for email in (ANNA, BEN))
    answers = await asyncio.gather(*tries, return_exceptions=True)

    assert {type(answer) for answer in answers} == {str, TooLate}


async def test_a_first_run_link_ends_after_a_week(office: Office) -> None:
    token = await office.sites.first_run_token(await office.found("studio"))
    office.clock.advance(SETUP_LASTS)

    with pytest.raises(TooLate):
        await office.sites.set_up(token, ANNA, PASSWORD, network=NETWORK)


async def test_a_new_first_run_link_ends_the_one_before(office: Office) -> None:
    site = await office.found("studio")
    first = await office.sites.first_run_token(site)
    second = await office.sites.first_run_token(site)

    with pytest.raises(TooLate):
        await office.sites.set_up(first, ANNA, PASSWORD, network=NETWORK)
    assert await office.sites.set_up(second, ANNA, PASSWORD, network=NETWORK)


@pytest.mark.parametrize(
    ("email", "password", "field"),
    [
        ("anna", PASSWORD, "email"),
        ("", PASSWORD, "email"),
        (ANNA, "too short", "password"),
        (ANNA, "aaaaaaaaaaaa", "password"),
        (ANNA, "x" * 201, "password"),
    ],
)
async def test_a_mistake_does_not_use_up_the_first_run_link(
    office: Office, email: str, password: str, field: str
) -> None:
    token = await office.sites.first_run_token(await office.found("studio"))

    with pytest.raises(InvalidRequest) as refused:
        await office.sites.set_up(token, email, password, network=NETWORK)
    assert refused.value.details["field"] == field
    assert await office.sites.set_up(token, ANNA, PASSWORD, network=NETWORK)


async def test_another_link_gives_an_operator_a_new_password_and_ends_their_sessions(office: Office) -> None:
    site = await office.found("studio")
    before = await office.hire(site)

    await office.sites.set_up(await office.sites.first_run_token(site), ANNA, "nine loud herons", network=NETWORK)

    assert await office.sites.signed_in(before) is None
    assert await office.sites.sign_in(ANNA, "nine loud herons", network=NETWORK)


async def test_an_address_of_another_site_cannot_be_taken_over(office: Office) -> None:
    await office.hire(await office.found("studio"))
    token = await office.sites.first_run_token(await office.found("garden"))

    with pytest.raises(IdConflict) as refused:
        await office.sites.set_up(token, ANNA, "nine loud herons", network=NETWORK)
    assert refused.value.details["field"] == "email"
    assert await office.sites.sign_in(ANNA, PASSWORD, network=NETWORK)


async def test_who_signs_in_to_another_site_owns_both_with_the_password_they_have(office: Office) -> None:
    before = await office.hire(await office.found("studio"))
    token = await office.sites.first_run_token(await office.found("garden"))

    session = await office.sites.set_up(token, ANNA, PASSWORD, network=NETWORK)

    anna = await signed_in(office, session)
    assert {(one.site_key, one.role) for one in anna.memberships} == {("studio", Role.OWNER), ("garden", Role.OWNER)}
    assert await office.sites.signed_in(before) is not None, "nothing has happened to her password"
    for key in ("studio", "garden"):
        assert (await office.sites.open(anna, key))[0].key == key


async def test_a_first_run_link_does_not_let_anybody_try_passwords_for_ever(office: Office) -> None:
    await office.hire(await office.found("studio"))
    token = await office.sites.first_run_token(await office.found("garden"))
    for _ in range(5):
        with pytest.raises(IdConflict):
            await office.sites.set_up(token, ANNA, "nine loud herons", network=NETWORK)

    with pytest.raises(TooManyTries):
        await office.sites.set_up(token, ANNA, PASSWORD, network=NETWORK)


async def test_who_makes_a_site_owns_it(office: Office) -> None:
    session = await office.hire(await office.found("studio"))
    anna = await signed_in(office, session)

    made = await office.sites.create(key="garden", name="Garden", zone="UTC", currency="EUR", owner=anna)
    with pytest.raises(IdConflict):
        await office.sites.create(key="studio", name="Mine too", zone="UTC", currency="EUR", owner=anna)

    anna = await signed_in(office, session)
    assert [one.site_key for one in anna.memberships] == ["garden", "studio"], "by their names"
    assert await office.sites.open(anna, "garden") == (made, await office.schedules.load(made.id))
    assert not await office.sites.needs_setup(made)


async def test_signing_in_takes_address_and_password(office: Office) -> None:
    await office.hire(await office.found("studio"))

    session = await office.sites.sign_in("ANNA@example.org", PASSWORD, network=NETWORK)

    assert (await signed_in(office, session)).email == ANNA


@pytest.mark.parametrize(("email", "password"), [(ANNA, "wrong password"), (BEN, PASSWORD), ("", ""), (ANNA, "")])
async def test_the_refusal_does_not_say_which_of_the_two_was_wrong(office: Office, email: str, password: str) -> None:
    await office.hire(await office.found("studio"))

    with pytest.raises(SignInNeeded, match=r"^E-mail or password is not right\.$"):
        await office.sites.sign_in(email, password, network=NETWORK)


async def test_after_five_wrong_passwords_even_the_right_one_has_to_wait(office: Office) -> None:
    await office.hire(await office.found("studio"))
    for _ in range(5):
        with pytest.raises(SignInNeeded):
            await office.sites.sign_in(ANNA, "wrong password", network=NETWORK)

    with pytest.raises(TooManyTries, match="Wait 15 minutes"):
        await office.sites.sign_in(ANNA, PASSWORD, network=NETWORK)
    assert await office.sites.sign_in(ANNA, PASSWORD, network="198.51.100.0/24"), "elsewhere she is not locked out"
    office.clock.advance(timedelta(minutes=15))
    assert await office.sites.sign_in(ANNA, PASSWORD, network=NETWORK)


async def test_a_network_that_tries_many_addresses_has_to_wait(office: Office) -> None:
    for number in range(40):
        with pytest.raises(SignInNeeded):
            await office.sites.sign_in(f"{number}@example.org", PASSWORD, network=NETWORK)

    with pytest.raises(TooManyTries):
        await office.sites.sign_in(ANNA, PASSWORD, network=NETWORK)


async def test_many_tries_at_once_cannot_slip_past(office: Office) -> None:
    await office.hire(await office.found("studio"))

    tries = (office.sites.sign_in(ANNA, f"wrong {number}", network=NETWORK) for number in range(20))
    answers = await asyncio.gather(*tries, return_exceptions=True)

    assert sum(isinstance(answer, SignInNeeded) for answer in answers) == 5
    assert sum(isinstance(answer, TooManyTries) for answer in answers) == 15


async def test_a_session_ends_when_nobody_uses_it(office: Office) -> None:
    session = await office.hire(await office.found("studio"))
    office.clock.advance(SESSION_IDLE)

    assert await office.sites.signed_in(session) is None


async def test_a_session_in_use_goes_on_but_not_for_ever(office: Office) -> None:
    session = await office.hire(await office.found("studio"))
    began_at = office.clock.now()

    while (found := await office.sites.signed_in(session)) is not None:
        office.clock.advance(timedelta(days=10))
        assert found.session == session

    assert office.clock.now() == began_at + SESSION_MAX


async def test_a_session_is_not_written_to_at_every_page(office: Office) -> None:
    session = await office.hire(await office.found("studio"))

    assert not (await signed_in(office, session)).prolonged
    office.clock.advance(timedelta(hours=13))
    assert (await signed_in(office, session)).prolonged
    assert not (await signed_in(office, session)).prolonged


async def test_signing_out_twice_is_as_good_as_once(office: Office) -> None:
    session = await office.hire(await office.found("studio"))

    await office.sites.sign_out(session)
    await office.sites.sign_out(session)

    assert await office.sites.signed_in(session) is None


async def test_a_new_password_ends_all_other_sessions(office: Office) -> None:
    here = await office.hire(await office.found("studio"))
    elsewhere = await office.sites.sign_in(ANNA, PASSWORD, network=NETWORK)
    anna = await signed_in(office, here)

    session = await office.sites.change_password(anna, PASSWORD, "nine loud herons", network=NETWORK)

    assert [await office.sites.signed_in(old) for old in (here, elsewhere)] == [None, None]
    assert (await signed_in(office, session)).email == ANNA
    with pytest.raises(SignInNeeded):
        await office.sites.sign_in(ANNA, PASSWORD, network=NETWORK)


async def test_a_new_password_needs_the_present_one(office: Office) -> None:
    anna = await signed_in(office, await office.hire(await office.found("studio")))

    with pytest.raises(SignInNeeded) as refused:
        await office.sites.change_password(anna, "wrong password", "nine loud herons", network=NETWORK)
    assert refused.value.details["field"] == "current"
    with pytest.raises(InvalidRequest) as too_short:
        await office.sites.change_password(anna, PASSWORD, "short", network=NETWORK)
    assert too_short.value.details["field"] == "password"


async def test_settings_are_saved_under_the_next_schedule_version(office: Office) -> None:
    site = await office.found("studio")
    anna = await signed_in(office, await office.hire(site))
    wanted = replace(
        site,
        name="The garden",
        zone=ZoneInfo("America/New_York"),
        currency="USD",
        locale="en-US",
        accent="#112233",
        theme="dark",
        holds_on=False,
        hold_minutes=5,
        origins=("https://example.org",),
    )

    saved = await office.sites.change_settings(anna, wanted, seen=mark(site))

    assert saved == replace(wanted, schedule_version=2) == await office.again(site)
    assert office.gate.schedule == 2


async def test_saving_the_same_settings_again_changes_nothing(office: Office) -> None:
    site = await office.found("studio")
    anna = await signed_in(office, await office.hire(site))
    wanted = replace(site, hold_minutes=5)

    first = await office.sites.change_settings(anna, wanted, seen=mark(site))
    second = await office.sites.change_settings(anna, wanted, seen=mark(site))

    assert first == second
    assert office.gate.schedule == 2


async def test_of_two_who_save_settings_at_once_neither_undoes_what_the_other_has_saved(office: Office) -> None:
    site = await office.found("studio")
    anna = await signed_in(office, await office.hire(site))
    seen, wanted = mark(site), [replace(site, name="The garden"), replace(site, hold_minutes=5)]

    saved = await asyncio.gather(
        *(office.sites.change_settings(anna, each, seen=seen) for each in wanted), return_exceptions=True
    )

    assert [isinstance(each, Changed) for each in saved].count(True) == 1
    assert await office.again(site) in [
        replace(each, schedule_version=version) for each in wanted for version in (2, 3)
    ]


async def test_an_operator_reaches_no_other_site(office: Office) -> None:
    anna = await signed_in(office, await office.hire(await office.found("studio")))
    garden = await office.found("garden")

    with pytest.raises(NotFound):
        await office.sites.open(anna, "garden")
    with pytest.raises(NotFound):
        await office.sites.change_settings(anna, replace(garden, name="Mine"), seen=mark(garden))
    assert (await office.again(garden)).name == "The studio"


async def test_what_is_not_for_operators_to_set_stays(office: Office) -> None:
    site = await office.found("studio")
    anna = await signed_in(office, await office.hire(site))

    wanted = replace(site, id=99, epoch=7, partition="elsewhere", name="New")
    await office.sites.change_settings(anna, wanted, seen=mark(site))

    assert await office.again(site) == replace(site, name="New", schedule_version=2)


@pytest.mark.parametrize(
    ("key", "zone", "currency", "field"),
    [
        ("Studio!", "Europe/Berlin", "EUR", "key"),
        ("studio", "Europe/Atlantis", "EUR", "zone"),
        ("studio", "Europe/Berlin", "euro", "currency"),
    ],
)
async def test_a_site_that_makes_no_sense_is_not_made(
    office: Office, key: str, zone: str, currency: str, field: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await office.sites.create(key=key, name="The studio", zone=zone, currency=currency)
    assert refused.value.details["field"] == field


async def test_a_site_key_is_given_once(office: Office) -> None:
    await office.found("studio")

    with pytest.raises(IdConflict):
        await office.found("studio")
