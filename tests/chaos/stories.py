"""How many stories of the simulator the tests tell, and how long each is; three files tell a third of them each."""

import re

from tests.chaos.simulating import simulate

FIRST_SEED, STORIES_EACH, STEPS = 11, 12, 4_725
"""With those of test_simulator.py and of test_breakages.py, 200,000 operations of the product as it is."""


def seeds_of(part: int) -> range:
    """Others than those of the other tests, which would tell the beginning of the same stories."""
    first = FIRST_SEED + part * STORIES_EACH
    return range(first, first + STORIES_EACH)


def nothing_breaks(seed: int) -> None:
    told = simulate(range(seed, seed + 1), STEPS)

    assert told.code == 0, told.printed
    assert re.search(rf"^seed {seed}: {STEPS} operations in .+, nothing broke$", told.printed, re.MULTILINE)
