"""The embedded Redis: started once for a folder, never left behind, and never forgetful."""

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from widget_server.engine import embedded
from widget_server.engine.embedded import EmbeddedRedis, start_or_attach
from widget_server.errors import Fault

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0

OWNER = """
import asyncio, sys
from pathlib import Path
from widget_server.engine.embedded import start_or_attach
redis = start_or_attach(Path(sys.argv[1]))
print(redis.pid, redis.owned, flush=True)
asyncio.run(redis.keep())
"""

PARENT = """
import os, subprocess, sys
watching = "import sys; from widget_server.engine.leash import watch; watch(int(sys.argv[1]), *sys.argv[2:])"
subprocess.run([sys.executable, "-c", watching, str(os.getpid()), *sys.argv[1:]])
"""

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


class Owner:
    """Another process that starts or attaches to the folder's server, and keeps it."""

    def __init__(self, data_dir: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(data_dir)], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
        )

    def report(self) -> tuple[int, bool]:
        assert self.process.stdout is not None
        pid, owned = self.process.stdout.readline().split()
        return int(pid), owned == "True"

    def kill(self) -> None:
        with self.process:
            self.process.kill()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@contextlib.contextmanager
def running(data_dir: Path) -> Iterator[EmbeddedRedis]:
    redis = start_or_attach(data_dir)
    try:
        yield redis
    finally:
        redis.stop()


@contextlib.contextmanager
def owner(data_dir: Path) -> Iterator[Owner]:
    other = Owner(data_dir)
    try:
        yield other
    finally:
        other.kill()


@contextlib.contextmanager
def client(redis: EmbeddedRedis) -> Iterator["Redis"]:
    with Redis.from_url(redis.url, decode_responses=True) as connection:
        yield connection


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(") ")[2][0] != "Z"


def eventually(is_so: Callable[[], bool]) -> bool:
    give_up_at = time.monotonic() + PATIENCE_S
    while not is_so() and time.monotonic() < give_up_at:
        time.sleep(0.02)
    return is_so()


def test_it_is_a_redis_that_forgets_nothing_and_listens_only_to_us(data_dir: Path) -> None:
    with running(data_dir) as redis, client(redis) as connection:
        assert redis.owned
        assert connection.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert connection.config_get("append*only") == {"appendonly": "yes"}
        assert connection.config_get("save") == {"save": ""}
        assert connection.config_get("port") == {"port": "0"}
        assert (data_dir / "redis").stat().st_mode & 0o077 == 0


def test_a_second_start_attaches_to_the_running_server_and_leaves_it_running(data_dir: Path) -> None:
    with running(data_dir) as first:
        second = start_or_attach(data_dir)

        assert (second.owned, second.pid, second.url) == (False, first.pid, first.url)
        second.stop()
        with client(first) as connection:
            assert connection.ping()


def test_stopping_twice_is_the_same_as_stopping_once(data_dir: Path) -> None:
    redis = start_or_attach(data_dir)
    pid = redis.pid

    redis.stop()
    redis.stop()
    assert not alive(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere its malloc has nothing to set")
def test_only_the_server_is_told_to_keep_small_pieces_of_memory(data_dir: Path) -> None:
    with running(data_dir) as redis:
        told = Path(f"/proc/{redis.pid}/environ").read_text().split("\0")

        assert [word for word in told if word.startswith("GLIBC")] == ["GLIBC_TUNABLES=glibc.malloc.tcache_count=65535"]
        assert "GLIBC_TUNABLES" not in os.environ


def test_twenty_quick_starts_and_stops_lose_nothing(data_dir: Path) -> None:
    for round_ in range(20):
        with running(data_dir) as redis, client(redis) as connection:
            assert connection.llen("rounds") == round_
            connection.rpush("rounds", round_)


def test_two_processes_that_race_to_start_share_one_server(data_dir: Path) -> None:
    with owner(data_dir) as anna, owner(data_dir) as ben:
        reports = [anna.report(), ben.report()]

        assert sorted(owned for _, owned in reports) == [False, True]
        assert reports[0][0] == reports[1][0]


def test_a_killed_owner_leaves_no_server_behind_and_the_next_start_finds_the_data(data_dir: Path) -> None:
    with owner(data_dir) as anna:
        pid, _ = anna.report()
        with client(EmbeddedRedis(data_dir)) as connection:
            connection.set("seat", "held")
        anna.kill()

        assert eventually(lambda: not alive(pid))
        with running(data_dir) as redis, client(redis) as connection:
            assert redis.owned
            assert connection.get("seat") == "held"


@pytest.mark.anyio
async def test_a_killed_server_comes_back_with_its_data(data_dir: Path) -> None:
    with running(data_dir) as redis:
        keeping = asyncio.create_task(redis.keep())
        with client(redis) as connection:
            connection.set("seat", "held")
        killed = redis.pid
        await asyncio.sleep(0.1)

        os.kill(killed, signal.SIGKILL)
        assert await soon(lambda: redis.pid != killed and answers(redis))
        with client(redis) as connection:
            assert connection.get("seat") == "held"
        keeping.cancel()


@pytest.mark.anyio
async def test_an_attached_process_takes_over_when_the_owner_is_killed(data_dir: Path) -> None:
    with owner(data_dir) as anna:
        pid, _ = anna.report()
        with running(data_dir) as redis:
            keeping = asyncio.create_task(redis.keep())
            await asyncio.sleep(0.1)
            assert not redis.owned

            anna.kill()
            assert await soon(lambda: redis.owned and redis.pid != pid and answers(redis))
            keeping.cancel()


@pytest.mark.anyio
async def test_keeping_ends_when_the_server_is_stopped_on_purpose(data_dir: Path) -> None:
    redis = start_or_attach(data_dir)
    keeping = asyncio.create_task(redis.keep())
    await asyncio.sleep(0.1)

    await asyncio.to_thread(redis.stop)
    await asyncio.wait_for(keeping, PATIENCE_S)
    assert not answers(redis)


def test_a_folder_locked_by_something_else_is_refused_in_one_sentence(data_dir: Path) -> None:
    with running(data_dir):
        pass
    with (data_dir / "redis" / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        with pytest.raises(Fault, match=r"locked by another process that does not answer: .*TENUTO_DATA_DIR\.$"):
            start_or_attach(data_dir, silence_max_s=0.2)


def test_a_folder_that_cannot_be_made_is_refused_in_one_sentence(data_dir: Path) -> None:
    data_dir.write_text("a file where the folder should be")

    with pytest.raises(Fault, match=r"^The data folder .*data cannot be made: File exists\.$"):
        start_or_attach(data_dir)


def test_a_machine_without_a_server_in_the_wheel_is_told_what_to_do(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")

    with pytest.raises(Fault, match=r"no Redis for \w+ on riscv64: .*TENUTO_REDIS_URL\.$"):
        start_or_attach(data_dir)


def test_a_server_that_cannot_read_its_file_says_why(data_dir: Path) -> None:
    with running(data_dir):
        pass
    (data_dir / "redis" / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")

    with pytest.raises(Fault, match=r"^The embedded Redis ended while starting: .*\.$"):
        start_or_attach(data_dir)


def test_a_long_folder_gets_a_short_private_socket_and_both_sides_find_it(tmp_path: Path) -> None:
    deep = tmp_path / ("a folder with a % sign " * 8)

    with running(deep) as first, running(deep) as second, client(second) as connection:
        assert (first.url, second.owned) == (second.url, False)
        assert len(first.url) < embedded.SOCKET_PATH_BYTES_MAX
        assert connection.ping()


def test_where_the_kernel_does_not_tell_the_leash_looks_for_the_parent_itself() -> None:
    speaking = ["/bin/sh", "-c", "echo $$; exec sleep 60"]
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, *speaking], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())

    parent.kill()
    parent.communicate()
    assert eventually(lambda: not alive(pid))


async def soon(is_so: Callable[[], bool]) -> bool:
    return await asyncio.to_thread(eventually, is_so)


def answers(redis: EmbeddedRedis) -> bool:
    try:
        with client(redis) as connection:
            return bool(connection.ping())
    except RedisError:
        return False
