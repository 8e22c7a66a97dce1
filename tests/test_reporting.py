"""How far a long command is: in place on a terminal, else a line now and then."""

from io import StringIO

import pytest

from widget_server import reporting
from widget_server.reporting import Progress


class Screen(StringIO):
    """Where stderr goes, in a terminal or not."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


class Watch:
    """Time that passes when we say so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr(reporting, "time", watch)
    return watch


def screen(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool) -> Screen:
    screen = Screen(is_terminal=is_terminal)
    monkeypatch.setattr("sys.stderr", screen)
    return screen


def test_on_a_terminal_it_is_told_in_place_some_times_a_second_and_wiped_in_the_end(
    monkeypatch: pytest.MonkeyPatch, watch: Watch
) -> None:
    told, progress = screen(monkeypatch, is_terminal=True), Progress("slots")
    for _ in range(8):
        watch.now_s += 0.125
        progress.add(200)
    progress.end()

    assert told.getvalue().split("\r") == [
        "",
        *(f"{count:,} slots, 1,600 a second\x1b[K" for count in (400, 800, 1200, 1600)),
        "\x1b[K",
    ]


def test_elsewhere_it_is_a_line_every_five_seconds(monkeypatch: pytest.MonkeyPatch, watch: Watch) -> None:
    told, progress = screen(monkeypatch, is_terminal=False), Progress("looked at")
    for _ in range(11):
        watch.now_s += 1
        progress.add(1_000)
    progress.end()

    assert told.getvalue() == "5,000 looked at, 1,000 a second\n10,000 looked at, 1,000 a second\n"
    assert progress.count == 11_000


def test_what_is_quickly_done_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    told, progress = screen(monkeypatch, is_terminal=False), Progress("looked at")
    progress.add(1)
    progress.end()

    assert told.getvalue() == ""
    assert 0 < progress.rate <= 1 / 1e-6
