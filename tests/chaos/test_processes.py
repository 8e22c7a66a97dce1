"""Whole towns under load while a saboteur kills, stops, empties and cuts; then the books have to agree.

Longer by hand: `python -m tests.chaos --minutes 30 --seed 1`. See docs/reliability.md.
"""

import os
import socket
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.menus import EVERYTHING, FAMILIES, MENUS, missed
from tests.chaos.mother import Child
from tests.chaos.runs import QUIET_S, Report, run
from tests.chaos.town import Templates, broken

pytestmark = pytest.mark.anyio

SECONDS = 6.0
SEED = 20261121
ALWAYS = ("forgets", "everything")
"""Of the menus, these have the others' faults among theirs. The moments of test_moments.py leave nothing to chance."""
TRIED = tuple(MENUS) if os.environ.get("TENUTO_ALL_MENUS") else ALWAYS


@pytest.mark.parametrize("menu", TRIED)
async def test_whatever_fails_the_books_agree_soon_after(menu: str, made_from: Templates) -> None:
    report = await run(menu, SEED, made_from, seconds=SECONDS)

    print(report)
    assert report.complaints == []
    assert report.missed == [], "something of everything"
    assert not report.is_late
    assert report.bookings >= 20
    assert report.payments >= 5


async def test_each_fault_belongs_to_one_family_and_whatever_is_missed_of_them_is_noticed() -> None:
    """The control."""
    assert Counter(name for family in FAMILIES for name in family) == Counter(list(EVERYTHING))
    assert missed({"kill_web": 1, "kill_worker": 2, "stop_valkey": 1}, Counter(kill_worker=2)) == ["stop_valkey"]


def test_a_process_that_has_ended_and_not_said_so_yet_may_be_sent_a_signal() -> None:
    """As the saboteur sends one just when it ends by itself."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    ours, its_keepers = socket.socketpair()
    with ours, its_keepers:
        its_keepers.sendall(b"%d\n" % ended.pid)
        Child(ours).send_signal(0)


def test_whoever_is_late_is_so_by_themselves_and_not_for_want_of_a_processor() -> None:
    assert not Report("killed", SEED, quiet_after_s=QUIET_S).is_late
    assert Report("killed", SEED, quiet_after_s=QUIET_S + 1).is_late
    assert not Report("killed", SEED, quiet_after_s=QUIET_S + 1, waited_s=1).is_late


@pytest.mark.skipif(TRIED == ALWAYS, reason="TENUTO_ALL_MENUS is not set")
async def test_the_books_complain_of_money_that_is_kept_when_its_booking_is_cancelled(
    made_from: Templates, tmp_path: Path
) -> None:
    """The control of those who pay."""
    gives_back = "    _draw(session, paid, back, RefundReason.CANCELLED, at)\n"
    tree = broken(tmp_path / "broken", "widget_server/store/refunds.py", gives_back, "")

    report = await run("stripe", SEED, made_from, seconds=15.0, tree=tree, faults=False)

    assert [complaint for complaint in report.complaints if " is kept for 0: " in complaint]


async def test_the_books_complain_of_a_hold_script_that_counts_no_seats(made_from: Templates, tmp_path: Path) -> None:
    """The control: without the one guard that all else stands on, visitors are granted seats that do not exist."""
    tree = broken(tmp_path / "broken", "lua/lib/find_room.lua", "if lacking <= 0 then", "if true then")

    report = await run("lines", SEED, made_from, seconds=5.0, tree=tree, faults=False)

    assert [complaint for complaint in report.complaints if complaint.startswith("oversold: ")]
