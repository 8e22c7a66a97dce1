"""Holds that are wanted in the same moment leave as one script: what all of them need is looked at, and told, once."""

import asyncio
import copy
from typing import cast

from widget_server.engine import calls
from widget_server.engine.calls import Call, Terms, Wanted
from widget_server.engine.connection import Connection
from widget_server.engine.wire import Reply
from widget_server.errors import Fault, Unavailable

LINES_AT_ONCE = 8
"""So many lines do not wait for the end of a tick: Redis shall have something to do while we go on."""


class Gathering:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._groups: dict[Terms, _Group] = {}
        """Those that others may still join."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def hold(self, terms: Terms, wanted: Wanted) -> list[Reply]:
        """What the script answers of this one. Raises Unavailable."""
        if wanted.needs_args:
            for earlier in list(self._groups.values()):
                self._leave(earlier)
            return await self._hold_alone(terms, wanted)
        group = self._groups.get(terms)
        if group is not None and not group.has_room_for(wanted):
            self._leave(group)
            group = None
        if group is None:
            group = self._groups[terms] = _Group(terms)
            asyncio.get_running_loop().call_soon(self._leave, group)
        answer = group.add(wanted)
        if group.is_full:
            self._leave(group)
        try:
            return await answer
        except Fault:
            if len(group.wanted) == 1:
                raise
        # One of them met keys that make no sense: the others shall not suffer for it.
        return await self._hold_alone(terms, wanted)

    def _leave(self, group: "_Group") -> None:
        if group.has_left:
            return
        group.has_left = True
        del self._groups[group.terms]
        call = calls.hold(group.terms, list(group.wanted.values()))
        try:
            sent = self._connection.send(call)
        except Exception as problem:
            group.fail(problem)
            return
        if sent is None:
            self._ask_again(group, call)
        else:
            sent.add_done_callback(lambda sent: self._hear(group, call, sent.result()))

    def _hear(self, group: "_Group", call: Call, reply: Reply) -> None:
        if reply.__class__ is list:
            group.tell(reply)
        else:
            self._ask_again(group, call)

    def _ask_again(self, group: "_Group", call: Call) -> None:
        if all(answer.done() for answer in group.answers):
            return  # whoever asked has gone
        task = asyncio.get_running_loop().create_task(self._asked_again(group, call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _asked_again(self, group: "_Group", call: Call) -> None:
        try:
            (reply,) = await self._connection.run_all([call])
        except (Unavailable, Fault) as problem:
            group.fail(problem)
        else:
            group.tell(reply)

    async def _hold_alone(self, terms: Terms, wanted: Wanted) -> list[Reply]:
        (answer,) = await self._connection.run(calls.hold(terms, [wanted]))
        return cast(list[Reply], answer)


class _Group:
    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.wanted: dict[str, Wanted] = {}
        self.answers: list[asyncio.Future[list[Reply]]] = []
        self.has_left = False
        self._lines = 0

    @property
    def is_full(self) -> bool:
        return self._lines >= LINES_AT_ONCE

    def has_room_for(self, wanted: Wanted) -> bool:
        return self._lines + wanted.lines <= LINES_AT_ONCE and wanted.id not in self.wanted

    def add(self, wanted: Wanted) -> asyncio.Future[list[Reply]]:
        """Its answer; whoever goes away cancels nobody else's."""
        self.wanted[wanted.id] = wanted
        self._lines += wanted.lines
        self.answers.append(asyncio.get_running_loop().create_future())
        return self.answers[-1]

    def tell(self, replies: list[list[Reply]]) -> None:
        for answer, reply in zip(self.answers, replies, strict=True):
            if not answer.done():
                answer.set_result(reply)

    def fail(self, problem: Exception) -> None:
        for answer in self.answers:
            if not answer.done():
                own = copy.copy(problem)
                own.__cause__ = problem.__cause__
                answer.set_exception(own)
