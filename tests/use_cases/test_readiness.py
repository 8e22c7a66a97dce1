"""Readiness: each part says in one sentence what is wrong with it, and none makes the others wait."""

import asyncio
from time import monotonic

import pytest

from widget_server.errors import Fault, Unavailable
from widget_server.use_cases import readiness as module
from widget_server.use_cases.readiness import Readiness

pytestmark = pytest.mark.anyio

SILENCE_S = 60


async def is_there() -> None:
    return


async def is_gone() -> None:
    raise Unavailable("It is gone.")


async def will_never_do() -> None:
    raise Fault("It is too old.")


async def is_silent() -> None:
    await asyncio.sleep(SILENCE_S)


async def test_every_part_says_how_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    began_at_s = monotonic()

    assert await Readiness(
        {"here": is_there, "gone": is_gone, "old": will_never_do, "silent": is_silent, "mute": is_silent}
    ).ask() == {
        "here": "ok",
        "gone": "It is gone.",
        "old": "It is too old.",
        "silent": "It does not answer.",
        "mute": "It does not answer.",
    }
    assert monotonic() - began_at_s < SILENCE_S / 2


async def test_notes_tell_only_what_somebody_is_to_see_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    notes = {"here": is_there, "gone": is_gone, "old": will_never_do, "silent": is_silent}

    readiness = Readiness({"here": is_there}, notes=notes)

    assert await readiness.notes() == {"old": "It is too old."}
    assert await readiness.ask() == {"here": "ok"}, "and visitors are served"
