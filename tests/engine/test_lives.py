"""All that goes on with holds agrees with itself; and where it did not, that would be noticed."""

import asyncio
import re
from collections.abc import Callable

import pytest

from tests.engine.box import LATE_YOGA, YOGA, Box
from tests.engine.lives import Follower, Found, Lives, complaints, find_all, going_on
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.holds import HoldState

pytestmark = pytest.mark.anyio

BOOKED_MIN = 3
DUE, LINES = "{tenuto}:due", f"{{tenuto}}:studio:slot:{LATE_YOGA.id}"
DAY, AT = f"{{tenuto}}:studio:day:yoga:{YOGA.starts_at:%Y%m%d}", LATE_YOGA.id.partition("T")[2]
LAST = "visitor0-last"


@pytest.fixture
async def lived(box: Box) -> tuple[Found, Lives, Follower]:
    lives = Lives(box.connection)
    async with going_on(lives, box) as follower:
        while lives.outcomes["booked"] < BOOKED_MIN:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return await find_all(box), lives, follower


async def test_all_that_goes_on_agrees(lived: tuple[Found, Lives, Follower]) -> None:
    found, lives, follower = lived

    assert complaints(found, lives, follower.picture) == []
    assert lives.outcomes["slot_full"] > 0, "seats were few"
    assert (lives.taken[YOGA], follower.losses) == (0, 0)


def forget_a_line(found: Found, _lives: Lives, _follower: Follower) -> None:
    del found.sets[LINES][f"{LAST}:1"]


def forget_that_it_is_due(found: Found, _lives: Lives, _follower: Follower) -> None:
    del found.sets[DUE][f"studio/{LAST}"]


def keep_what_is_over(found: Found, _lives: Lives, _follower: Follower) -> None:
    found.sets["{tenuto}:studio:network:home"]["visitor0-0"] = 1.0


def count_one_more(found: Found, _lives: Lives, _follower: Follower) -> None:
    found.hashes[DAY][AT] = re.sub(r"^\d+", lambda held: str(int(held[0]) + 1), found.hashes[DAY][AT])


def book_what_nobody_booked(_found: Found, lives: Lives, _follower: Follower) -> None:
    lives.booked[YOGA] = BookedSeats(YOGA, 1, 100)


def have_fewer_seats(_found: Found, lives: Lives, _follower: Follower) -> None:
    lives.box.capacities[LATE_YOGA] = 1


def tell_an_end_again(found: Found, _lives: Lives, _follower: Follower) -> None:
    found.told.append(next(one for one in reversed(found.told) if one.cause == "expire")._replace(seats=()))


def tell_an_end_never(found: Found, _lives: Lives, _follower: Follower) -> None:
    found.told.remove(next(one for one in found.told if one.cause == "release"))


def tell_another_number(found: Found, _lives: Lives, _follower: Follower) -> None:
    (slot_id, seats), *others = found.told[-1].seats
    found.told[-1] = found.told[-1]._replace(seats=((slot_id, seats._replace(held=seats.held + 1)), *others))


def end_what_was_promised(_found: Found, lives: Lives, _follower: Follower) -> None:
    lives.became[LAST] = HoldState.RELEASED


def hold_what_nobody_wanted(found: Found, _lives: Lives, _follower: Follower) -> None:
    found.hashes["{tenuto}:studio:hold:nobody"] = {"state": "released"}


def miss_the_last(_found: Found, _lives: Lives, follower: Follower) -> None:
    held, booked, version = follower.picture["studio", LATE_YOGA.id]
    follower.picture["studio", LATE_YOGA.id] = (held - 1, booked, version - 1)


@pytest.mark.parametrize("redis_url", ["valkey"], indirect=True)
@pytest.mark.parametrize(
    ("doctored", "complaint"),
    [
        (forget_a_line, "which its lines are not"),
        (forget_that_it_is_due, "among the sets: {tenuto}:due"),
        (keep_what_is_over, "among the sets: {tenuto}:studio:network:home"),
        (count_one_more, "which its lines are not"),
        (book_what_nobody_booked, "which SQL has not"),
        (have_fewer_seats, "is oversold"),
        (tell_an_end_again, "once too often"),
        (tell_an_end_never, "was told in version"),
        (tell_another_number, "which were"),
        (end_what_was_promised, f"promised: {LAST} is held, not released"),
        (hold_what_nobody_wanted, "promised: nobody is released, not None"),
        (miss_the_last, "followed and counted"),
    ],
)
async def test_what_does_not_agree_is_noticed(
    lived: tuple[Found, Lives, Follower], doctored: Callable[[Found, Lives, Follower], None], complaint: str
) -> None:
    found, lives, follower = lived
    doctored(found, lives, follower)

    assert any(complaint in one for one in complaints(found, lives, follower.picture))
