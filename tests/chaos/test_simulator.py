"""Whatever people, machines and the seed do to it in virtual time, nothing that must hold breaks."""

import pytest

from tests.chaos.simulating import simulate, simulate_all

OPERATIONS = 152_000
"""With those that test_breakages.py makes of the product as it is, 200,000."""
SEEDS_AT_ONCE, TESTS = 2, 8
STEPS = OPERATIONS // (SEEDS_AT_ONCE * TESTS)


@pytest.mark.parametrize("number", range(TESTS))
def test_nothing_breaks_whatever_happens(number: int) -> None:
    seeds = range(1 + number * SEEDS_AT_ONCE, 1 + (number + 1) * SEEDS_AT_ONCE)

    for simulated in simulate_all(seeds, STEPS):
        assert simulated.code == 0, simulated.printed
        assert f"{STEPS} operations" in simulated.printed
        assert "nothing broke" in simulated.printed


def test_the_same_seed_is_the_same_story_and_another_is_another() -> None:
    once, again, another = (simulate(seed, 1_000) for seed in (7, 7, 8))

    assert once.code == again.code == another.code == 0
    assert once.trace == again.trace != another.trace


def test_a_simulation_has_all_kinds_of_operations_and_of_faults() -> None:
    printed = "".join(simulated.printed for simulated in simulate_all(range(101, 105), 2_500))

    for happened in (
        "hold",
        "change_lines",
        "confirm",
        "reschedule",
        "cancel",
        "sweep",
        "audit",
        "webhook",
        "read_month",
    ):
        assert f" {happened}" in printed, happened
    for went_wrong in ("killed before", "killed after", "reply of Redis lost", "SQL refuses", "answer lost"):
        assert went_wrong in printed, went_wrong
