"""The only place that knows psycopg: what a new connection to PostgreSQL is told, and how long it is waited for."""

import asyncio
import os
import socket
from typing import Any

import psycopg

_CONNECT_S = 5
_LIMITS = "-c lock_timeout=5s -c statement_timeout=15s -c idle_in_transaction_session_timeout=60s"
_ANSWER_S = 20.0
"""Longer than PostgreSQL itself lets a statement run: whoever has said nothing by then is frozen, or out of reach."""


class Connection(psycopg.AsyncConnection[Any]):
    """Waits for no answer for ever. A network that drops everything would be believed for a quarter of an hour."""

    async def wait(self, *args: Any, **options: Any) -> Any:
        hang_up = asyncio.get_running_loop().call_later(_ANSWER_S, _hang_up, self.pgconn.socket)
        try:
            return await super().wait(*args, **options)
        finally:
            hang_up.cancel()


ARGUMENTS = {
    "async_creator_fn": Connection.connect,
    "connect_timeout": _CONNECT_S,
    "options": _LIMITS,
    "client_encoding": "utf8",
}
"""For each new connection."""


def _hang_up(line: int) -> None:
    """As if the other side had: whoever waits is told at once that nothing more comes."""
    with socket.socket(fileno=os.dup(line)) as ours:
        ours.shutdown(socket.SHUT_RDWR)
