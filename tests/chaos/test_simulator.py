"""Whatever people, machines and the seed do to it in virtual time, nothing that must hold breaks."""

import re

import pytest

from tests.chaos.simulating import simulate, simulate_all, simulate_by_command

OPERATIONS, OPERATIONS_OF_ALL_KINDS = 36_000, 20_000
"""With those that test_breakages.py makes of the product as it is, 64,000; more take more time than there is."""
SEEDS_EACH, TESTS = 4, 4
STEPS = OPERATIONS // (SEEDS_EACH * TESTS)


@pytest.mark.parametrize("number", range(TESTS))
def test_nothing_breaks_whatever_happens(number: int) -> None:
    seeds = range(1 + number * SEEDS_EACH, 1 + (number + 1) * SEEDS_EACH)

    simulated = simulate_all(seeds, STEPS)
    assert [one.code for one in simulated] == [0] * len(simulated), "".join(one.printed for one in simulated)
    printed = "".join(one.printed for one in simulated)
    for seed in seeds:
        assert re.search(rf"^seed {seed}: {STEPS} operations in .+, nothing broke$", printed, re.MULTILINE)


def test_the_same_seed_is_the_same_story_and_another_is_another() -> None:
    """Alone or after another one in the same process, by the command or as the other tests do."""
    alone, after_another = simulate(range(7, 8), 600), simulate_by_command(range(6, 8), 600)

    assert alone.code == after_another.code == 0
    (once,), (another, again) = alone.traces, after_another.traces
    assert once == again != another


def test_a_story_does_not_depend_on_who_says_its_statements() -> None:
    """The simulator says most of them past SQLAlchemy, which must neither be heard nor seen."""
    seeds, steps = range(3, 4), 500

    assert simulate(seeds, steps).traces == simulate(seeds, steps, all_by_sqlalchemy=True).traces != []


def test_a_simulation_has_all_kinds_of_operations_and_of_faults() -> None:
    simulated = simulate_all(range(101, 105), OPERATIONS_OF_ALL_KINDS // 4)
    printed = "".join(one.printed for one in simulated)

    assert [one.code for one in simulated] == [0] * len(simulated), printed
    for happened in (
        "hold",
        "change_lines",
        "confirm",
        "reschedule",
        "cancel",
        "sweep",
        "audit",
        "check_out",
        "pay",
        "stripe_tells",
        "settle",
        "refund",
        "read_month",
    ):
        assert f" {happened}" in printed, happened
    for went_wrong in ("killed before", "killed after", "reply of Redis lost", "SQL refuses", "answer lost", "Stripe"):
        assert went_wrong in printed, went_wrong
