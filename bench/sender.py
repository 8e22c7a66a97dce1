"""A reference: a no-op route that answers with as many bytes as its path says, on the same server as ours."""

import socket
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

BYTES_MAX = 10_000_000


def app() -> Starlette:
    ready: dict[int, bytes] = {}

    async def send(request: Request) -> Response:
        count = min(request.path_params["count"], BYTES_MAX)
        return Response(ready.setdefault(count, bytes(count)), media_type="application/json")

    return Starlette(routes=[Route("/{count:int}", send)])


def main(port: str) -> None:
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=2048)
    print("Serving", flush=True)
    uvicorn.Server(uvicorn.Config(app(), log_level="warning", access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    main(*sys.argv[1:])
