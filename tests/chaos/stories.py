"""How many stories of the simulator the tests tell, and how long each is; three files tell a third of them each."""

import os
import re
import time
from math import inf

import pytest

from tests.chaos.simulating import simulate

FIRST_SEED, STORIES_EACH, STEPS = 11, 12, 4_725
"""With those of test_simulator.py and of test_breakages.py, 200,000 operations of the product as it is."""

LAST_BEGINS_S = 100
"""So long before it is ended: CI takes twenty minutes, whatever is still to be told, and its machines differ by half.
So there these stories come last, and those that would begin later are passed over, which its summary says."""


def seeds_of(part: int) -> range:
    """Others than those of the other tests, which would tell the beginning of the same stories."""
    first = FIRST_SEED + part * STORIES_EACH
    return range(first, first + STORIES_EACH)


def nothing_breaks(seed: int) -> None:
    if left_s() < LAST_BEGINS_S:
        pytest.skip(f"no time left for the story of seed {seed}")
    told = simulate(range(seed, seed + 1), STEPS)

    assert told.code == 0, told.printed
    assert re.search(rf"^seed {seed}: {STEPS} operations in .+, nothing broke$", told.printed, re.MULTILINE)


def left_s() -> float:
    """Until CI is ended, with all that it did before its tests; for ever where nobody does so."""
    return float(os.environ.get("CI_ENDS_AT", inf)) - time.time()
