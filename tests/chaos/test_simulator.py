"""One seed is one story, and stories are about everything; most of them are told in test_stories_1.py and the next."""

from tests.chaos.simulating import simulate, simulate_all, simulate_by_command

OPERATIONS_OF_ALL_KINDS = 20_000


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
        "probe",
        "all_others_stand_still",
        "two_cancel_at_once",
        "a_count_is_told_late",
        "a_pin_is_ended_late",
        "seats_go_while_somebody_pays",
    ):
        assert f" {happened}" in printed, happened
    for went_wrong in ("killed before", "killed after", "reply of Redis lost", "SQL refuses", "answer lost", "Stripe"):
        assert went_wrong in printed, went_wrong
