"""The command: what is wrong is said in one sentence, and whatever ends it leaves nothing behind."""

import contextlib
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hiredis
import httpx2
import pytest
from redis import Redis

from tests.chaos.mother import mother_of
from tests.engine.servers import Valkey, free_port
from tests.engine.test_embedded import alive, eventually
from widget_server import cli
from widget_server.engine import embedded
from widget_server.ids import new_id
from widget_server.use_cases.auditing import Auditing

DEMO_SERVICES = {"yoga", "consultation", "lesson", "workshop", "evening"}
ROOT = Path(__file__).parents[1]
PATIENCE_S = 60.0
VISITOR, SECRET = new_id(), new_id()
OLD_INFO = b"$49\r\nredis_version:6.2.14\r\nmaxmemory_policy:noeviction\r\n"


@pytest.fixture
def tenuto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator["Tenuto"]:
    """Runs commands that end by themselves, within this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    yield Tenuto(monkeypatch, capfd)
    signal.signal(signal.SIGTERM, before)


class Tenuto:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capfd = monkeypatch, capfd

    def __call__(self, *arguments: str, **variables: str) -> tuple[int, str, str]:
        """Its exit code, and what it said on stdout and stderr."""
        with self._monkeypatch.context() as environment:
            for name in [name for name in os.environ if name.startswith("TENUTO_")]:
                environment.delenv(name)
            for name, value in {"TENUTO_PORT": str(free_port()), **variables}.items():
                environment.setenv(name, value)
            try:
                code = cli.main(arguments)
            except SystemExit as end:
                code = int(end.code or 0)
        return code, *self._capfd.readouterr()

    def refuses(self, *arguments: str, **variables: str) -> str:
        """The one sentence on stderr of a command that could not do its work."""
        code, out, err = self(*arguments, **variables)
        sentences = [line for line in err.splitlines() if line.startswith("tenuto: ")]
        assert (code, len(sentences)) == (1, 1), (out, err)
        assert "Traceback" not in err
        assert sentences[0].endswith("."), err
        return sentences[0].removeprefix("tenuto: ")


class Demo:
    """`tenuto demo` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://localhost:{self.port}"
        self.start()

    def start(self) -> None:
        words = ("demo", "--port", str(self.port))
        log = self.folder / f"{new_id()}.log"
        self.process = mother_of(ROOT).child(words, self.folder, environment(), log)
        self._log = log
        assert eventually(lambda: "the data stays in" in self.printed or self.process.poll() is not None)
        assert self.process.poll() is None, self.printed

    @property
    def printed(self) -> str:
        """Since it was started."""
        return self._log.read_text() if self._log.exists() else ""

    def end(self, with_signal: signal.Signals) -> int:
        """Its exit code."""
        self.process.send_signal(with_signal)
        return self.process.wait(PATIENCE_S)

    @property
    def valkey(self) -> int:
        """The process of its server."""
        return int((self.folder / "tenuto-data" / "redis" / "lock").read_text())

    def keeps_what_it_has(self) -> bool:
        """Its server has written all into its file. While a disk is slow, it goes on answering without."""
        with Redis(unix_socket_path=str(embedded._socket_of(self.folder / "tenuto-data" / "redis"))) as redis:
            return bool(redis.info("persistence")["aof_buffer_length"] == 0)

    def get(self, path: str) -> Any:
        headers = {"authorization": f"Bearer {SECRET}"}
        answer = httpx2.get(f"{self.url}/v1/sites/demo{path}", headers=headers, timeout=PATIENCE_S)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def hold(self, slot: str) -> Any:
        body = {"id": new_id(), "visitor": VISITOR, "lines": [{"slot": slot, "seats": 1}]}
        headers = {"authorization": f"Bearer {SECRET}"}
        answer = httpx2.post(f"{self.url}/v1/sites/demo/holds", json=body, headers=headers, timeout=PATIENCE_S)
        assert answer.status_code == 201, answer.text
        return answer.json()["hold"]

    def open_slot(self) -> str:
        day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 3 * 86_400))
        slots = self.get(f"/services/yoga/availability?from={day}&to={day}")["slots"]
        return str(slots[0]["id"])

    def answers(self, path: str) -> bool:
        with contextlib.suppress(AssertionError, httpx2.TransportError):
            return bool(self.get(path))
        return False


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TENUTO_")}
    return {**kept, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path)
    yield demo
    demo.end(signal.SIGKILL)


@pytest.mark.parametrize("starting", ["serve", "demo"])
def test_a_port_that_is_taken_is_told_in_one_sentence(tenuto: Tenuto, starting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        assert tenuto.refuses(starting, "--port", port) == (
            f"Port {port} is taken: end what uses it, or choose another in TENUTO_PORT."
        )
        assert tenuto.refuses(starting, TENUTO_PORT=port).startswith(f"Port {port} is taken")
    assert not Path("tenuto-data").exists()


@pytest.mark.parametrize("starting", ["serve", "worker", "demo", "migrate", "rebuild", "create-site studio"])
def test_a_data_folder_that_cannot_be_used_is_told_in_one_sentence(tenuto: Tenuto, starting: str) -> None:
    Path("tenuto-data").write_text("a file where the folder should be")

    assert re.fullmatch(
        r"The data folder .*tenuto-data cannot be (made|used): File exists\.", tenuto.refuses(*starting.split())
    )


@pytest.mark.parametrize("starting", ["serve", "worker", "rebuild", "create-site studio"])
def test_without_tables_it_says_what_to_do(tenuto: Tenuto, starting: str, valkey: Valkey) -> None:
    assert "run `tenuto migrate`" in tenuto.refuses(*starting.split(), TENUTO_REDIS_URL=valkey.url)


def test_a_redis_that_is_not_there_is_told_in_one_sentence(tenuto: Tenuto) -> None:
    port = free_port()

    told = tenuto.refuses("serve", TENUTO_REDIS_URL=f"redis://anna:secret@127.0.0.1:{port}")

    assert told.startswith(f"redis at 127.0.0.1:{port} (TENUTO_REDIS_URL): ")
    assert "secret" not in told


def test_a_redis_that_is_too_old_is_told_in_one_sentence(tenuto: Tenuto) -> None:
    with old_redis() as port:
        told = tenuto.refuses("serve", TENUTO_REDIS_URL=f"redis://127.0.0.1:{port}")

    assert "Redis 6.2.14 is too old: use Redis 7.0 or Valkey 8, or newer." in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TENUTO_PORT", "eighty"),
        ("TENUTO_PORT", "0"),
        ("TENUTO_PORT", "65536"),
        ("TENUTO_TRUSTED_PROXIES", "everybody"),
        ("TENUTO_PUBLIC_URL", "book.example.org"),
        ("TENUTO_PUBLIC_URL", "https://book.example.org/booking"),
        ("TENUTO_PUBLIC_URL", "https://anna@book.example.org"),
        ("TENUTO_REDIS_URL", "localhost:6379"),
        ("TENUTO_DATABASE_URL", "mysql://localhost/tenuto"),
        ("TENUTO_DATABASE_URL", "nonsense"),
        ("TENUTO_SECRET_KEY", "short"),
    ],
)
def test_a_setting_that_makes_no_sense_is_told_in_one_sentence(
    tenuto: Tenuto, name: str, value: str, valkey: Valkey
) -> None:
    told = tenuto.refuses("serve", **{"TENUTO_REDIS_URL": valkey.url, name: value})

    assert name in told
    if name == "TENUTO_SECRET_KEY":
        assert value not in told.replace("too short", "")


def test_who_reads_only_the_first_line_is_told_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    monkeypatch.setitem(cli._COMMANDS, "migrate", lambda *_: print("The tables are up to date."))
    with os.fdopen(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)

        assert cli.main(["migrate"]) == cli.NOBODY_READS
        monkeypatch.undo()  # closing writes what is left, as Python does at its end: nobody complains


def test_the_tables_are_made_once_and_sites_only_with_good_keys(tenuto: Tenuto, empty_valkey: Valkey) -> None:
    elsewhere = {"TENUTO_REDIS_URL": empty_valkey.url, "TENUTO_PUBLIC_URL": "https://book.example.org/"}
    for _ in range(2):
        assert tenuto("migrate") == (0, "The tables are up to date.\n", "")

    code, out, _ = tenuto("create-site", "studio", **elsewhere)
    assert (code, len(re.findall(r"^  https://book.example.org/admin/setup#[\w-]{22}$", out, re.MULTILINE))) == (0, 1)
    assert "already" in tenuto.refuses("create-site", "studio", **elsewhere)
    assert re.search(
        r"^  https://book.example.org/admin/setup#[\w-]{22}$", tenuto("sign-in-link", "studio", **elsewhere)[1], re.M
    )
    assert "no such site" in tenuto.refuses("sign-in-link", "stduio", **elsewhere)
    assert "Nobody with this address" in tenuto.refuses("sign-in-link", "studio", "--email", "a@b.example", **elsewhere)
    assert "site key" in tenuto.refuses("create-site", "Stu dio", **elsewhere)
    assert "time zone" in tenuto.refuses("create-site", "other", "--zone", "Europe/Nowhere", **elsewhere)
    assert "currency" in tenuto.refuses("create-site", "other", "--currency", "euros", **elsewhere)
    assert "0 slots written anew, 0 looked at and 0 mended." in tenuto("rebuild", **elsewhere)[1]
    Path("tenuto-data/tenuto.sqlite3").rename("newer")
    tenuto("migrate")
    tenuto("create-site", "studio", **elsewhere)
    assert "0 slots written anew" in tenuto("rebuild", "studio", **elsewhere)[1], "from an older backup"
    assert "no such site" in tenuto.refuses("rebuild", "stduio", **elsewhere)


def test_an_audit_tells_by_its_exit_code_whether_something_is_wrong(
    tenuto: Tenuto, empty_valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Auditing, "look_again_after_s", property(lambda _: 0.1, lambda *_: None), raising=False)
    there = {"TENUTO_REDIS_URL": empty_valkey.url}
    tenuto("migrate")
    tenuto("create-site", "studio", **there)
    tenuto("rebuild", **there)

    assert tenuto("audit", **there) == (
        0,
        "Clean: 0 slots, holds, meetings and claims looked at, and Redis and SQL agree.\n",
        "",
    )
    assert json.loads(tenuto("audit", "--json", **there)[1]) == {
        "clean": True,
        "looked_at": 0,
        "counts": {},
        "findings": [],
    }

    with Redis.from_url(empty_valkey.url) as redis:
        redis.flushall()
    code, told, _ = tenuto("audit", "--json", **there)
    assert json.loads(told)["counts"] == {"gate": 1}
    (finding,) = json.loads(told)["findings"]
    assert (code, finding.pop("mended_by")) == (1, "the next visitor, a running worker, or tenuto rebuild")
    assert finding == {
        "site": "studio",
        "kind": "gate",
        "where": "gate",
        "redis": "closed, or not there",
        "sql": "epoch 2",
    }
    code, told, _ = tenuto("audit", "studio", **there)
    assert code == 1
    assert told.startswith("studio  gate  gate\n    Redis: closed, or not there\n    SQL: epoch 2\n    mended by: ")

    code, told, said = tenuto("audit", TENUTO_REDIS_URL=f"redis://127.0.0.1:{free_port()}")
    assert (code, told) == (2, "")
    assert "redis at 127.0.0.1" in said
    assert tenuto("audit", "stduio", **there)[0] == 2


def test_what_it_can_do_is_told_and_anything_else_refused(tenuto: Tenuto) -> None:
    assert tenuto("--version")[1].startswith("tenuto ")
    assert "create-site" in tenuto("--help")[1]
    for wrong in ([], ["sreve"], ["serve", "--prot", "1"], ["serve", "--port", "x"]):
        code, out, err = tenuto(*wrong)
        assert (code, out) == (2, "")
        assert "usage: tenuto" in err


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_demo_cleanly_and_leaves_no_server(demo: Demo, with_signal: signal.Signals) -> None:
    valkey = demo.valkey
    assert alive(valkey)
    with httpx2.stream("GET", f"{demo.url}/v1/sites/demo/feed", timeout=PATIENCE_S) as feed:
        chunks = feed.iter_text()
        next(chunks)
        code = demo.end(with_signal)
        assert "event: bye" in "".join(chunks)

    assert (code, alive(valkey)) == (0, False)
    assert "graceful shutdown exceeded" not in demo.printed, "nobody has to be waited for"
    assert "Traceback" not in demo.printed


def test_a_demo_that_is_killed_leaves_no_server_and_begins_again_where_it_was(demo: Demo) -> None:
    held = demo.hold(demo.open_slot())
    valkey = demo.valkey
    assert eventually(demo.keeps_what_it_has)

    demo.end(signal.SIGKILL)
    assert eventually(lambda: not alive(valkey))
    demo.start()
    assert demo.get(f"/holds/{held['id']}")["hold"] == held
    assert "/admin/setup#" in demo.printed


def test_a_server_that_is_killed_under_the_demo_comes_back_with_its_holds(demo: Demo) -> None:
    held = demo.hold(demo.open_slot())
    killed = demo.valkey
    assert eventually(demo.keeps_what_it_has)

    os.kill(killed, signal.SIGKILL)
    assert eventually(lambda: demo.answers(f"/holds/{held['id']}"))
    assert demo.valkey != killed
    assert demo.get(f"/holds/{held['id']}")["hold"] == held
    demo.hold(demo.open_slot())


def test_a_second_demo_in_the_same_folder_shares_the_server_and_leaves_it(demo: Demo) -> None:
    second = Demo(demo.folder)
    try:
        held = second.hold(second.open_slot())
        assert demo.get(f"/holds/{held['id']}")["hold"] == held
    finally:
        code = second.end(signal.SIGTERM)

    assert code == 0
    assert alive(demo.valkey)
    assert demo.get(f"/holds/{held['id']}")["hold"] == held


def test_a_demo_whose_first_start_was_cut_off_is_complete_after_the_next(tenuto: Tenuto, tmp_path: Path) -> None:
    assert tenuto("migrate")[0] == 0
    assert tenuto("create-site", "demo")[0] == 0  # as far as a first start may have come

    demo = Demo(tmp_path)

    try:
        assert {service["id"] for service in demo.get("/services")["services"]} == DEMO_SERVICES
    finally:
        demo.end(signal.SIGTERM)


def test_the_demo_prints_addresses_that_work(demo: Demo) -> None:
    host_page, widget, settings = re.findall(r"http://\S+", demo.printed)

    assert host_page.startswith("http://127.0.0.1:")
    page = httpx2.get(host_page, timeout=PATIENCE_S)
    assert page.status_code == 200
    assert f'src="{demo.url}/embed.js"' in page.text
    assert httpx2.get(f"{demo.url}/", follow_redirects=False, timeout=PATIENCE_S).headers["location"] == host_page
    framed = httpx2.get(widget, timeout=PATIENCE_S)
    assert host_page.rstrip("/") in framed.headers["content-security-policy"].rpartition("frame-ancestors")[2]
    assert httpx2.get(settings, timeout=PATIENCE_S).status_code == 200
    assert {service["id"] for service in demo.get("/services")["services"]} == DEMO_SERVICES
    for service in demo.get("/services")["services"]:
        last = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 20 * 86_400))
        today = time.strftime("%Y-%m-%d", time.gmtime())
        slots = demo.get(f"/services/{service['id']}/availability?from={today}&to={last}")["slots"]
        assert any(slot["state"] == "open" for slot in slots)
        if service["id"] == "lesson":
            assert {slot["capacity"] for slot in slots} >= {1, 2}, "as many as are on shift"


@contextlib.contextmanager
def old_redis() -> Iterator[int]:
    """Says of itself to be one that lacks what the scripts need."""

    def answer() -> None:
        with contextlib.suppress(OSError):
            while True:
                talk(listener.accept()[0])

    def talk(client: socket.socket) -> None:
        reader = hiredis.Reader(notEnoughData=False)
        with client:
            while words := client.recv(65_536):
                reader.feed(words)
                while (asked := reader.gets()) is not False:
                    client.sendall(OLD_INFO if asked[0] == b"INFO" else b"+OK\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering = threading.Thread(target=answer, daemon=True)
        answering.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    answering.join(PATIENCE_S)
