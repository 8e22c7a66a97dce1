from hypothesis import given, settings
from hypothesis import strategies as st

from tests.live.updates import events, seats_moved, slot_id, versions
from widget_server.domain.events import ScheduleMoved, SiteReset
from widget_server.live.board import SLOTS_MAX, Board


def board_with(*numbers: int) -> Board:
    board = Board(epoch=1, since_feed_id="10-0")
    for number in numbers:
        board.record(seats_moved(number, number % 3))
    return board


def test_who_stands_at_the_head_has_missed_nothing() -> None:
    board = board_with(11, 12)

    assert board.since(board.head) == b""


def test_who_comes_back_is_told_the_newest_state_of_each_slot_once() -> None:
    board = board_with(11, 12, 13, 14)  # slots 2, 0, 1, 2

    told = events(board.since(board.position_of("1.11-0")))

    assert [(event.name, event.id) for event in told] == [("seats", "1.14-0")]
    assert [(slot["slot"], slot["version"]) for slot in told[0].data["slots"]] == [
        (slot_id(0), 12),
        (slot_id(1), 13),
        (slot_id(2), 14),
    ]


def test_an_update_that_comes_again_changes_nothing() -> None:
    board = board_with(11, 12)
    head = board.head

    board.record(seats_moved(11, 0, version=99))

    assert board.head == head
    assert versions(board.since(board.position_of("1.10-0"))) == {slot_id(2): 11, slot_id(0): 12}


def test_a_slot_says_all_that_a_widget_needs_and_nobody_s_hold() -> None:
    told = board_with(11).since((0, 10, 0))

    assert events(told)[0].data == {
        "slots": [{"slot": slot_id(2), "held": 1, "booked": 2, "version": 11, "frees_at": None}]
    }
    assert b"secret-hold-id" not in told


def test_what_was_told_before_the_board_began_is_answered_with_reset() -> None:
    told = events(board_with(11, 12).since(Board(1, "10-0").position_of("1.9-5")))

    assert [(event.name, event.id) for event in told] == [("reset", "1.10-0"), ("seats", "1.12-0")]
    assert told[0].data == {"epoch": 1}


def test_what_nobody_else_has_heard_of_is_answered_with_reset() -> None:
    """Redis has lost its last entries, and whoever had heard them is gone: one reader believes them still."""
    board = board_with(11, 12)
    board.listen()

    assert events(board.since(board.position_of("1.14-0")))[0].name == "reset"
    board.record(seats_moved(16))
    assert events(board.since(board.position_of("1.14-0")))[0].name == "reset"
    for heard in ("1.11-0", "1.12-0", "1.16-0"):
        assert "reset" not in [event.name for event in events(board.since(board.position_of(heard)))]


def test_an_id_of_another_epoch_or_no_id_at_all_is_answered_with_reset() -> None:
    board = board_with(11)

    for event_id in ("2.11-0", "0.11-0", "11-0", "1.11", "1.x-0", "", "1.11-0\n", "1." + "9" * 40 + "-0"):
        assert events(board.since(board.position_of(event_id)))[0].name == "reset"


def test_a_reset_forgets_everything_and_tells_who_came_before_it() -> None:
    board = board_with(11, 12)

    board.record(SiteReset("studio", "13-0", epoch=2))
    board.record(seats_moved(14, epoch=2))

    assert [(e.name, e.id) for e in events(board.since((0, 12, 0)))] == [("reset", "2.13-0"), ("seats", "2.14-0")]
    assert [(e.name, e.id) for e in events(board.since(board.position_of("2.13-0")))] == [("seats", "2.14-0")]


def test_an_update_of_another_epoch_is_a_reset_nobody_told_us_of() -> None:
    board = board_with(11)

    board.record(seats_moved(5, epoch=2))

    told = events(board.since((0, 11, 0)))
    assert [(event.name, event.id) for event in told] == [("reset", "2.5-0")]
    assert told[0].data == {"epoch": 2}


def test_a_changed_schedule_is_told_before_the_event_that_bears_the_id() -> None:
    board = board_with(11)
    board.record(ScheduleMoved("studio", "12-0", 1, version=4, settled=True))

    alone, with_seats = events(board.since((0, 11, 0))), events(board.since((0, 10, 0)))

    assert [(e.name, e.id, e.data) for e in alone] == [("schedule", "1.12-0", {"version": 4})]
    assert [(e.name, e.id) for e in with_seats] == [("schedule", None), ("seats", "1.12-0")]


def test_who_missed_more_than_the_board_holds_is_answered_with_reset() -> None:
    board = Board(1, "0-0")
    for number in range(1, SLOTS_MAX + 11):
        board.record(seats_moved(number, number))

    assert events(board.since((0, 9, 0)))[0].name == "reset"
    assert [event.name for event in events(board.since((0, 10, 0)))] == ["seats"]
    assert len(versions(board.since((0, 10, 0)))) == SLOTS_MAX


def test_all_who_stand_at_one_place_share_the_same_bytes() -> None:
    board = board_with(11, 12)

    assert board.since((0, 11, 0)) is board.since((0, 11, 0))


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.integers(0, 5), st.sampled_from(["reset", "schedule"])), min_size=1, max_size=40),
    st.lists(st.integers(0, 6), min_size=1, max_size=40),
)
def test_however_often_a_reader_is_cut_off_it_ends_with_the_newest_of_every_slot(
    told: list[int | str], pauses: list[int]
) -> None:
    board, true_versions, known, epoch = Board(1, "0-0"), dict[str, int](), dict[str, int](), 1
    last_event_id, waits = "1.0-0", iter(pauses * 40)
    for number, what in enumerate(told, start=1):
        if what == "reset":
            epoch, true_versions = epoch + 1, {}
            board.record(SiteReset("studio", f"{number}-0", epoch))
        elif what == "schedule":
            board.record(ScheduleMoved("studio", f"{number}-0", epoch, 2, settled=True))
        else:
            board.record(seats_moved(number, int(what), epoch=epoch))
            true_versions[slot_id(int(what))] = number
        if next(waits) == 0 or number == len(told):
            for event in events(board.since(board.position_of(last_event_id))):
                known = {} if event.name == "reset" else known
                known |= {slot["slot"]: slot["version"] for slot in event.data.get("slots", ())}
                last_event_id = event.id or last_event_id

    assert known == true_versions
    assert board.position_of(last_event_id) == board.head
