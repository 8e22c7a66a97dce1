"""Going on with what was begun on the spot: the same results and ends as with a plain await."""

import asyncio

import pytest

from widget_server.web.at_once import within

pytestmark = pytest.mark.anyio


async def test_what_is_there_at_once_needs_no_time() -> None:
    async def there() -> str:
        return "body"

    assert await within(0, there()) == "body"


async def test_what_has_to_wait_is_given_its_time() -> None:
    async def slow() -> str:
        await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)
        return "body"

    assert await within(5, slow()) == "body"


async def test_what_takes_longer_is_cut_off_and_can_clean_up() -> None:
    ended: list[str] = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")

    with pytest.raises(TimeoutError):
        await within(0.01, endless())
    assert ended == ["cleaned up"]


async def test_its_own_trouble_comes_through_before_and_after_waiting() -> None:
    async def refuses(*, after_s: float | None) -> None:
        if after_s is not None:
            await asyncio.sleep(after_s)
        raise ValueError("no")

    for after_s in (None, 0.01):
        with pytest.raises(ValueError, match="no"):
            await within(5, refuses(after_s=after_s))


async def test_what_answers_to_the_deadline_is_heard() -> None:
    async def hurried() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "late"
        return "in time"

    assert await within(0.01, hurried()) == "late"
