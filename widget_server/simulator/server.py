"""The only place that starts the simulator's own Redis, in a folder that goes with it, and speaks to it at once."""

import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import hiredis

from widget_server.engine import leash
from widget_server.engine.embedded import _binary
from widget_server.engine.wire import Reply, Word, pack
from widget_server.errors import Fault

START_MAX_S = 20.0
SILENCE_MAX_S = 60
_NOTHING_YET = object()


@contextmanager
def started() -> Iterator["Line"]:
    """A Redis without a file, which ends with us, and a line to it."""
    # Not below TMPDIR, which may be deep: the path of a socket must be short.
    with TemporaryDirectory(prefix="tenuto-", dir="/tmp") as folder:
        path = Path(folder) / "socket"
        leashed = [sys.executable, "-I", "-S", leash.__file__, str(os.getpid())]
        options = ["--port", "0", "--unixsocket", str(path), "--dir", folder, "--save", "", "--appendonly", "no"]
        server = subprocess.Popen(  # noqa: S603
            [*leashed, str(_binary()), *options, "--maxmemory-policy", "noeviction"],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            with closing(_connected(path, server)) as line:
                yield line
        finally:
            server.terminate()
            server.wait()


def _connected(path: Path, server: subprocess.Popen[bytes]) -> "Line":
    until = time.monotonic() + START_MAX_S
    while time.monotonic() < until and server.poll() is None:
        try:
            return Line(path)
        except OSError:
            time.sleep(0.01)
    raise Fault("The simulator's Redis does not answer.")


class Line:
    """A connection that is asked and answers at once: while it does, nothing else happens in the world."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(str(path))
        except OSError:
            self.close()
            raise
        # The system counts the time: Python would ask it once more before each word.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", SILENCE_MAX_S, 0))
        self._reader = hiredis.Reader(encoding="utf-8", errors="replace", notEnoughData=_NOTHING_YET)

    def close(self) -> None:
        self._socket.close()

    def ask(self, *words: Word) -> Reply:
        return self.ask_all([pack(*words)])[0]

    def ask_all(self, packed: Sequence[bytes]) -> list[Reply]:
        """The answers, errors among them."""
        self._socket.sendall(b"".join(packed))
        replies: list[Reply] = []
        while len(replies) < len(packed):
            reply = self._reader.gets()
            if reply is _NOTHING_YET:
                self._reader.feed(self._socket.recv(1 << 20))
            else:
                replies.append(reply)
        return replies
