"""The only place that says statements to SQLite past SQLAlchemy's own way there, which took most of the time.

What is said, and how values are written and read, is still SQLAlchemy's: it compiles each statement, once, and has the
processors. Only what it does anew at each execution is left out. What is not plain enough for that goes its way.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import bindparam, inspect
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.sql.dml import Delete, Insert, Update, UpdateBase
from sqlmodel import select
from sqlmodel.sql.expression import SelectOfScalar

Loaded = dict[tuple[type, tuple[Any, ...]], Any]
"""The rows that a session has as instances, by class and primary key: each row is one instance."""
Params = Mapping[str, Any]
_Process = Callable[[Any], Any] | None
_DIALECT: Any = sqlite.dialect()
_SAID = "_said_in_simulation"
"""Where a statement that is made once keeps what has become of it."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What comes of a statement that returns nothing."""

    rowcount: int


class _Place(NamedTuple):
    """Where a value comes from."""

    name: str
    key: str
    """Of a parameter, if one of that name is given."""
    made_with: int | None
    """Else: the number among those that the statement was made with."""
    otherwise: Any


class _Part(NamedTuple):
    """What becomes of some columns of a row: one value, or an instance."""

    name: str
    read: Callable[[Sequence[Any], Loaded], Any]


class Said:
    """One statement, as it is said again and again."""

    def __init__(self, statement: Any, names: Sequence[str], *, many: bool, key: Any) -> None:
        asked, self._parts = _in_columns(statement)
        compiled = asked._compiler(_DIALECT, cache_key=key, column_keys=list(names), for_executemany=many)
        numbers = {bind: at for at, one in enumerate(key[1]) for bind in compiled._cache_key_bind_match[0][one]}
        defaults = {one.key: one.default.arg for one in compiled.insert_prefetch}
        is_change = _is_orm(statement) and isinstance(statement, Update | Delete)
        self.changes: str | None = statement.table.name if is_change else None
        """The table whose instances SQLAlchemy wants to change likewise, if there are any."""
        self._compiled = compiled
        self._is_scalar = isinstance(statement, SelectOfScalar)
        binds = {name: compiled.binds[name] for name in compiled.positiontup}
        self._places = [
            _Place(name, bind.key, numbers.get(bind), defaults.get(name, bind.value)) for name, bind in binds.items()
        ]
        self._expanding = [name for name, bind in binds.items() if bind in compiled.post_compile_params]
        self._plans: dict[tuple[int, ...], tuple[str, list[tuple[str, int, _Process]]]] = {}
        self._processors = [one.type._cached_result_processor(_DIALECT, None) for one in compiled._result_columns]
        self._metadata = SimpleResultMetaData([one.name for one in self._parts or compiled._result_columns])

    def say(self, raw: sqlite3.Connection, params: Params, made_with: Sequence[Any], loaded: Loaded) -> Any:
        cursor = raw.execute(*self._words(params, made_with))
        if cursor.description is None:
            return Changed(cursor.rowcount)
        rows: Iterable[Any] = cursor.fetchall()
        if any(self._processors):
            rows = [self._read(row) for row in rows]
        if self._parts:
            rows = [tuple([part.read(row, loaded) for part in self._parts]) for row in rows]
        answer = IteratorResult[Any](self._metadata, iter(rows))
        return answer.scalars() if self._is_scalar else answer

    def say_each(self, raw: sqlite3.Connection, params: Sequence[Params], made_with: Sequence[Any]) -> Changed:
        """For each of these parameters; nothing comes back."""
        words = [self._words(one, made_with) for one in params]
        return Changed(raw.executemany(words[0][0], [values for _, values in words]).rowcount)

    def _read(self, row: Sequence[Any]) -> tuple[Any, ...]:
        in_order = zip(row, self._processors, strict=True)
        return tuple([value if process is None else process(value) for value, process in in_order])

    def _words(self, params: Params, made_with: Sequence[Any]) -> tuple[str, list[Any]]:
        values = {
            name: params[key] if key in params else otherwise if at is None else made_with[at].effective_value
            for name, key, at, otherwise in self._places
        }
        lengths = tuple([len(values[name]) for name in self._expanding])
        plan = self._plans.get(lengths)
        if plan is None:
            plan = self._plans[lengths] = self._plan(values)
        text, order = plan
        in_order = [(values[name] if at < 0 else values[name][at], process) for name, at, process in order]
        return text, [value if process is None else process(value) for value, process in in_order]

    def _plan(self, values: dict[str, Any]) -> tuple[str, list[tuple[str, int, _Process]]]:
        """The text where lists are so long, and which value is where: its name, and its place in its list."""
        processors = self._compiled._bind_processors
        if not self._expanding:
            return str(self._compiled), [(name, -1, processors.get(name)) for name in self._compiled.positiontup]
        expanded = self._compiled._process_parameters_for_postcompile(dict(values))
        places = {
            one: (name, at, processors.get(name))
            for name, each in expanded.parameter_expansion.items()
            for at, one in enumerate(each)
        }
        order = [places.get(name, (name, -1, processors.get(name))) for name in expanded.positiontup]
        return expanded.statement, order

    def is_plain(self, statement: Any, names: Sequence[str]) -> bool:
        """Whether there is no more to it than to say it."""
        compiled = self._compiled
        is_of_many = _is_orm(statement) and isinstance(statement, Insert) and bool(names)
        works_out = any(not one.default.is_scalar for one in compiled.insert_prefetch)
        return not (is_of_many or works_out or compiled.update_prefetch or compiled.literal_execute_params)


def said(statement: Any, params: Params | Sequence[Params] | None) -> tuple[Said, Sequence[Any]] | None:
    """With what the statement was made with; None where it is left to SQLAlchemy."""
    many, names = isinstance(params, Sequence), _written(statement, params)
    kept: Any = statement.__dict__.get(_SAID)
    # It may be that of another statement, which this one was made out of.
    if kept is None or kept[0] is not statement or kept[1:3] != (names, many):
        kept = statement.__dict__[_SAID] = (statement, names, many, _find(statement, names, many=many))
    return kept[3]  # type: ignore[no-any-return]


def _written(statement: Any, params: Params | Sequence[Params] | None) -> tuple[str, ...]:
    """The columns that an INSERT gets its parameters for."""
    if not params or not isinstance(statement, Insert):
        return ()
    return tuple(sorted(params if isinstance(params, Mapping) else params[0]))


_ALL: dict[Any, Said | None] = {}
"""By what SQLAlchemy calls the cache key: of all statements that differ in their values only."""


def _find(statement: Any, names: tuple[str, ...], *, many: bool) -> tuple[Said, Sequence[Any]] | None:
    key = statement._generate_cache_key()
    if key is None or key[2]:
        return None
    if (place := (key[0], names, many)) not in _ALL:
        one = Said(statement, names, many=many, key=key)
        _ALL[place] = one if one.is_plain(statement, names) else None
    found = _ALL[place]
    return None if found is None else (found, key[1])


@cache
def by_id(table: Any) -> Any:
    """Selects the row of a table with this `id`."""
    return select(table).where(table.id == bindparam("id"))


def _is_orm(statement: Any) -> bool:
    return "compile_state_plugin" in statement._propagate_attrs


def _in_columns(statement: Any) -> tuple[Any, list[_Part]]:
    """The statement with all columns of its entities in order, and what is read out of them; none where it has none."""
    described = getattr(statement, "column_descriptions", ())
    if isinstance(statement, UpdateBase) or not any(isinstance(one["expr"], type) for one in described):
        return statement, []
    columns: list[Any] = []
    parts: list[_Part] = []
    for one in described:
        if isinstance(one["expr"], type):
            mapper: Any = inspect(one["expr"])
            keys = [attribute.key for attribute in mapper.column_attrs]
            parts.append(_Part(one["name"], _instance(mapper, keys, len(columns))))
            columns += [getattr(one["expr"], key) for key in keys]
        else:
            parts.append(_Part(one["name"], _value(len(columns))))
            columns.append(one["expr"])
    return statement.with_only_columns(*columns, maintain_column_froms=True), parts


def _value(at: int) -> Callable[[Sequence[Any], Loaded], Any]:
    return lambda row, _: row[at]


def _instance(mapper: Any, keys: list[str], at: int) -> Callable[[Sequence[Any], Loaded], Any]:
    until, table = at + len(keys), mapper.class_
    (own_key,) = [at + keys.index(mapper.get_property_by_column(column).key) for column in mapper.primary_key]
    new = mapper.class_manager.new_instance

    def read(row: Sequence[Any], loaded: Loaded) -> Any:
        key = (table, (row[own_key],))
        if row[own_key] is None:
            return None
        if (instance := loaded.get(key)) is None:
            instance = loaded[key] = new()
            instance.__dict__.update(zip(keys, row[at:until], strict=True))
            instance_state(instance).key = (*key, None)
        return instance

    return read
