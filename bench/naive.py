"""A reference: the hold route as one would write it at first, with Starlette and a pool of redis-py connections.

It does less than ours: it looks neither at the schedule nor at who asks, and nobody follows its feed.
"""

import socket
import sys
from datetime import datetime, timedelta
from hashlib import sha256

import uvicorn
from redis.asyncio import BlockingConnectionPool, Redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

CONNECTIONS = 64


def app(redis_url: str, *, prefix: str, sha: str, epoch: int, schedule: int) -> Starlette:
    redis = Redis(connection_pool=BlockingConnectionPool.from_url(redis_url, max_connections=CONNECTIONS))
    site = prefix.split(":")[1]

    async def create_hold(request: Request) -> JSONResponse:
        secret = sha256(request.headers["authorization"].encode()).hexdigest()[:32]
        body = await request.json()
        slot, seats = body["lines"][0]["slot"], body["lines"][0]["seats"]
        service, start, _ = slot.split(".")
        starts_at = datetime.strptime(start.replace("Z", "+0000"), "%Y%m%dT%H%M%z")
        visitor, network = body["visitor"], request.headers["x-forwarded-for"]
        partition = prefix.split(":")[0]
        keys = [f"{prefix}gate", f"{partition}:clock", f"{partition}:due", f"{partition}:feed"]
        keys += [f"{prefix}hold:{body['id']}", f"{prefix}visitor:{visitor}", f"{prefix}network:{network}"]
        keys += [f"{prefix}day:{service}:{start[:8]}", f"{prefix}slot:{slot}"]
        hour_ms = timedelta(hours=1) // timedelta(milliseconds=1)
        args: list[str | int] = [site, epoch, schedule, hour_ms, 3 * hour_ms, 3, 50, 1]
        args += [body["id"], secret, visitor, network, 1, slot, seats, int(starts_at.timestamp() * 1000), 1_000_000]
        (answer,) = await redis.evalsha(sha, len(keys), *keys, *args)
        if answer[0] != b"HELD":
            return JSONResponse({"error": {"code": answer[0].decode()}}, 409)
        return JSONResponse({"hold": {"id": body["id"], "state": "held", "expires_at": answer[1]}}, 201)

    return Starlette(routes=[Route("/v1/sites/{site}/holds", create_hold, methods=["POST"])])


def main(port: str, redis_url: str, prefix: str, sha: str, epoch: str, schedule: str) -> None:
    made = app(redis_url, prefix=prefix, sha=sha, epoch=int(epoch), schedule=int(schedule))
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=2048)
    print("Serving", flush=True)
    uvicorn.Server(uvicorn.Config(made, log_level="warning", access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    main(*sys.argv[1:])
