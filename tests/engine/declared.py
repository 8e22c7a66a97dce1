"""Listens to what scripts do in a server: they may touch only the keys that were given to them, in every branch.

A Cluster answers before a script begins whether it has these keys; a key that nobody named may be on another server,
where the script would end in its middle, half done.
"""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from widget_server.ids import new_id

_LISTEN_MAX_S = 20.0
_SCRIPT = re.compile(r'"EVAL(?:SHA)?" "(?:[^"\\]|\\.)*" "\d+" (.*)', re.IGNORECASE)
_KEY = re.compile(r'"(\{[^"]*)"')


class Listener:
    def __init__(self, ear: socket.socket, mouth: socket.socket) -> None:
        self._ear, self._mouth = ear, mouth

    def undeclared(self) -> list[str]:
        """Script commands on keys that their script was not given, since it began to listen."""
        given: set[str] = set()
        found: list[str] = []
        for line in self._heard():
            if " lua] " in line:
                found += [] if given.issuperset(_KEY.findall(line)) else [line]
            elif script := _SCRIPT.search(line):
                given = set(_KEY.findall(script[1]))
        return found

    def _heard(self) -> list[str]:
        token = new_id()
        self._mouth.sendall(f"ECHO {token}\r\n".encode())
        heard = b""
        while not heard.endswith(f'"{token}"\r\n'.encode()):
            more = self._ear.recv(1 << 20)
            assert more, "the server has gone"
            heard += more
        return heard.decode().splitlines()


@contextmanager
def listening(url: str) -> Iterator[Listener]:
    """To the server at unix://…"""
    with socket.socket(socket.AF_UNIX) as ear, socket.socket(socket.AF_UNIX) as mouth:
        for line in (ear, mouth):
            line.settimeout(_LISTEN_MAX_S)
            line.connect(url.removeprefix("unix://"))
        ear.sendall(b"MONITOR\r\n")
        assert ear.recv(5) == b"+OK\r\n"
        yield Listener(ear, mouth)
