"""A reference: the least a Python process can do to tell thousands of connections something. It knows nothing else.

Whoever connects and says GET is told all that comes; what the others say is what comes. There is no HTTP, no queue and
no limit.
"""

import asyncio
import sys
from typing import cast

from uvicorn.loops.auto import auto_loop_factory

GREETING = b"event: hello\n\n"
_listeners: set[asyncio.WriteTransport] = set()


class Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET "):
            _listeners.add(self._transport)
            self._transport.write(GREETING)
        else:
            for listener in _listeners:
                listener.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        _listeners.discard(self._transport)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=2048)
    print("Serving", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(main(int(sys.argv[1])))
