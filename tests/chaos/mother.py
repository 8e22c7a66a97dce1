"""A process that has imported the product, and becomes each `tenuto` that is asked for: imports take a second of CPU.

It listens on a socket. Each connection to it is one process: the asker says in a line what to run, hears its id, and,
once it has ended, how. Between the two stands a keeper, whose child it is. All end with whoever started the first.
"""

import atexit
import ctypes
import gc
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

OF_THE_PRODUCT = ("widget_server.cli", "widget_server.bootstrap", "widget_server.store.migrations")
OF_OTHERS = ("aiosqlite", "alembic.command", "h11", "httptools", "psycopg", "sqlalchemy.dialects.postgresql.psycopg")
_DIES_WITH_ITS_PARENT = 1  # PR_SET_PDEATHSIG
_LINE_MAX = 1 << 20
_PATIENCE_S = 60.0


class Child:
    """What a mother has become; as far as it matters here, it is used as one of `subprocess`."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.pid = int(_line_of(connection))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._connection], [], [], 0)[0]:
            self.wait(_PATIENCE_S)
        return self.returncode

    def wait(self, timeout: float) -> int:
        if self.returncode is None:
            self._connection.settimeout(timeout)
            self.returncode = int(_line_of(self._connection))
            self._connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended, and its keeper has not said so yet
                os.kill(self.pid, number)


class Mother:
    """Of all processes of one tree, which is the product's folder."""

    def __init__(self, tree: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="tenuto-"))
        self._address = self._folder / "socket"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._address))
        listener.listen()
        command = [sys.executable, "-P", __file__, str(listener.fileno())]
        environment = {**os.environ, "PYTHONPATH": str(tree)}
        self._running = subprocess.Popen(
            command, stdin=subprocess.PIPE, env=environment, pass_fds=[listener.fileno()], start_new_session=True
        )
        listener.close()

    def child(self, arguments: Sequence[str], folder: Path, env: Mapping[str, str], log: Path) -> Child:
        """Runs `tenuto` with these arguments. What it prints goes to the end of the log."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_PATIENCE_S)
        connection.connect(str(self._address))
        asked = {"arguments": list(arguments), "folder": str(folder), "env": dict(env), "log": str(log)}
        connection.sendall(json.dumps(asked).encode() + b"\n")
        return Child(connection)

    def end(self) -> None:
        """Its children have ended."""
        assert self._running.stdin is not None
        self._running.stdin.close()
        self._running.wait(_PATIENCE_S)
        shutil.rmtree(self._folder, ignore_errors=True)


_MOTHERS: dict[Path, Mother] = {}


def mother_of(tree: Path) -> Mother:
    """Made when it is first asked for, and there until these tests end."""
    if tree not in _MOTHERS:
        _MOTHERS[tree] = Mother(tree)
        atexit.register(_MOTHERS[tree].end)
    return _MOTHERS[tree]


def _line_of(connection: socket.socket) -> bytes:
    """Raises ValueError, by way of int(), where it has nothing to say any more."""
    line = b""
    while not line.endswith(b"\n") and len(line) < _LINE_MAX and (more := connection.recv(65_536)):
        line += more
    return line


# From here on it is the mother's own.


def main() -> None:
    for name in (*OF_THE_PRODUCT, *OF_OTHERS):
        import_module(name)
    gc.collect()
    gc.freeze()
    listener = socket.socket(fileno=int(sys.argv[1]))
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        if not os.fork():
            _keep(connection, listener)
        connection.close()
        while _reaped():
            pass


def _reaped() -> bool:
    """The keepers of those that have ended."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] > 0
    except ChildProcessError:
        return False


def _keep(connection: socket.socket, listener: socket.socket) -> None:
    _die_with_parent()
    listener.close()
    asked = json.loads(_line_of(connection))
    child = os.fork()
    if not child:
        connection.close()
        _become(**asked)
    connection.sendall(b"%d\n" % child)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        connection.sendall(b"%d\n" % code)
    finally:
        os._exit(0)


def _become(arguments: Sequence[str], folder: str, env: Mapping[str, str], log: str) -> None:
    _die_with_parent()
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    printed, nothing = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), os.open(os.devnull, os.O_RDONLY)
    for number, file in ((0, nothing), (1, printed), (2, printed)):
        os.dup2(file, number)
    code: Any = 1
    try:
        code = import_module("widget_server.cli").main(arguments)
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIES_WITH_ITS_PARENT, signal.SIGKILL)


if __name__ == "__main__":
    main()
