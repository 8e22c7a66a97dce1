"""What the types of Stripe's own package say of answers and of parameters: the pretend Stripe must not invent any."""

import typing
from collections.abc import Iterator, Mapping
from functools import cache
from types import NoneType
from typing import Any, Literal

import stripe
from stripe import StripeObject
from typing_extensions import is_typeddict

from widget_server.payments.fake_stripe.params import Boolean, Choice, Integer, Many, Shape, Text, Texts


@cache
def fields_of(cls: type) -> dict[str, Any]:
    """Names and types, those of its ancestors too. Of what is named for type checkers alone, just what we look at."""
    known: dict[str, Any] = {**vars(typing), "Charge": stripe.Charge, "PaymentIntent": stripe.PaymentIntent}
    while True:
        try:
            hints = typing.get_type_hints(cls, None, known, include_extras=True)
        except NameError as unknown:
            known[str(unknown.name)] = Any
        else:
            return {name: hint for name, hint in hints.items() if not name.startswith("_") and name != "OBJECT_NAME"}


def wrong_fields(answer: Mapping[str, Any], cls: type, path: str = "") -> Iterator[str]:
    """Each field that the package does not know, or that is missing or of another type than it says."""
    fields = fields_of(cls)
    for name in answer.keys() - fields.keys():
        yield f"{path}{name} is invented"
    for name, hint in fields.items():
        if name in answer:
            yield from _wrong_value(answer[name], hint, f"{path}{name}")
        elif not _may_be_none(hint):
            yield f"{path}{name} is missing"


def _wrong_value(value: Any, hint: Any, path: str) -> Iterator[str]:
    options = [option for option in _options(hint) if not _is_wrong(value, option)]
    if not options:
        yield f"{path} is {value!r}, and the package says {hint}"
        return
    for option in options:
        if isinstance(value, dict) and _is_object(option):
            yield from wrong_fields(value, option, f"{path}.")
        if isinstance(value, list) and typing.get_args(option):
            for one in value:
                yield from _wrong_value(one, typing.get_args(option)[0], f"{path}[]")


def _is_wrong(value: Any, option: Any) -> bool:
    if option is Any:
        return False
    if typing.get_origin(option) is Literal:
        return value not in typing.get_args(option)
    if typing.get_origin(option) is list:
        return not isinstance(value, list)
    if _is_object(typing.get_origin(option) or option):
        return not isinstance(value, dict)
    return type(value) is not option


def _is_object(option: Any) -> bool:
    return isinstance(option, type) and issubclass(option, StripeObject)


def _options(hint: Any) -> Iterator[Any]:
    """A union of Literals and `str` is what the package knows, and what it may learn: we keep to what it knows."""
    parts = list(_flat(hint))
    literal = any(typing.get_origin(part) is Literal for part in parts)
    yield from (part for part in parts if not (literal and part is str))


def _flat(hint: Any) -> Iterator[Any]:
    if typing.get_origin(hint) in {typing.Union, typing.NotRequired, typing.Required}:
        for part in typing.get_args(hint):
            yield from _flat(part)
    else:
        yield hint


def _may_be_none(hint: Any) -> bool:
    return hint is Any or NoneType in _flat(hint)


def invented_parameters(shape: Shape, hint: Any, path: str = "") -> Iterator[str]:
    """Each parameter that we take and the package does not send, or sends as another type."""
    parts = list(_flat(hint))
    if isinstance(shape, Mapping):
        yield from _invented_below(shape, parts, path)
    elif isinstance(shape, Many):
        (of,) = [typing.get_args(part)[0] for part in parts if typing.get_origin(part) is list]
        yield from invented_parameters(shape.of, of, f"{path}[]")
    elif not _is_sent_so(shape, parts):
        yield f"{path}: {shape} against {hint}"


def _is_sent_so(shape: Text | Integer | Boolean | Choice | Texts, parts: list[Any]) -> bool:
    if isinstance(shape, Choice):
        return set(shape.among) <= {name for part in parts for name in names_in(part)}
    if isinstance(shape, Texts):
        return any(typing.get_origin(part) is dict for part in parts)
    return {Text: str, Integer: int, Boolean: bool}[type(shape)] in parts


def names_in(hint: Any) -> set[str]:
    """All that a type names."""
    if typing.get_origin(hint) is Literal:
        return set(typing.get_args(hint))
    return {name for part in typing.get_args(hint) for name in names_in(part)}


def _invented_below(shape: Mapping[str, Shape], parts: list[Any], path: str) -> Iterator[str]:
    fields = {name: hint for part in parts if is_typeddict(part) for name, hint in fields_of(part).items()}
    for name, below in shape.items():
        if name in fields:
            yield from invented_parameters(below, fields[name], f"{path}.{name}")
        else:
            yield f"{path}.{name} is invented"
