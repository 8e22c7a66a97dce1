"""The only place for the parameters that the pretend Stripe takes: decoded from forms, named, and of the right type.

What is listed here the real Stripe takes too; a test compares the lists with the types of Stripe's own package.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from widget_server.payments.fake_stripe.refusals import invalid, unknown_parameter

PAIRS_MAX = 500
DEPTH_MAX = 8
LIST_MAX = 100
_PARTS = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_INTEGER = re.compile(r"-?\d{1,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Text:
    length_max: int = 5000


@dataclass(frozen=True, slots=True)
class Integer:
    pass


@dataclass(frozen=True, slots=True)
class Boolean:
    pass


@dataclass(frozen=True, slots=True)
class Choice:
    among: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Many:
    of: "Shape"


@dataclass(frozen=True, slots=True)
class Texts:
    """Any names: metadata. 50 of them, 40 characters a name, 500 a value, as Stripe has it."""


Shape = Text | Integer | Boolean | Choice | Many | Texts | Mapping[str, "Shape"]
EXPAND: Shape = Many(Text())

SESSION_CREATE: Mapping[str, Shape] = {
    "adaptive_pricing": {"enabled": Boolean()},
    "allowed_payment_method_types": Many(Text()),
    "cancel_url": Text(),
    "client_reference_id": Text(200),
    "customer_email": Text(800),
    "excluded_payment_method_types": Many(Text()),
    "expand": EXPAND,
    "expires_at": Integer(),
    "line_items": Many(
        {
            "price_data": {
                "currency": Text(3),
                "product_data": {"description": Text(), "name": Text()},
                "unit_amount": Integer(),
            },
            "quantity": Integer(),
        }
    ),
    "locale": Text(),
    "metadata": Texts(),
    "mode": Choice(("payment", "setup", "subscription")),
    "payment_intent_data": {"description": Text(1000), "metadata": Texts()},
    "payment_method_options": {"card": {"capture_method": Choice(("manual",))}},
    "submit_type": Choice(("auto", "book", "donate", "pay", "subscribe")),
    "success_url": Text(),
    "ui_mode": Choice(("elements", "embedded_page", "form", "hosted_page")),
}
RETRIEVE: Mapping[str, Shape] = {"expand": EXPAND}
EXPIRE: Mapping[str, Shape] = {"expand": EXPAND}
CAPTURE: Mapping[str, Shape] = {"amount_to_capture": Integer(), "expand": EXPAND, "metadata": Texts()}
CANCEL: Mapping[str, Shape] = {
    "cancellation_reason": Choice(("abandoned", "duplicate", "fraudulent", "requested_by_customer")),
    "expand": EXPAND,
}
REFUND_CREATE: Mapping[str, Shape] = {
    "amount": Integer(),
    "expand": EXPAND,
    "metadata": Texts(),
    "payment_intent": Text(),
    "reason": Choice(("duplicate", "fraudulent", "requested_by_customer")),
}
REFUND_LIST: Mapping[str, Shape] = {
    "expand": EXPAND,
    "limit": Integer(),
    "payment_intent": Text(),
    "starting_after": Text(),
}


def decode(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """`a[0][b]=c` becomes `{"a": [{"b": "c"}]}`. Raises StripeRefusal for what is too much or contradicts itself."""
    tree: dict[str, Any] = {}
    for count, (name, value) in enumerate(pairs, 1):
        match = _PARTS.fullmatch(name)
        if match is None or count > PAIRS_MAX:
            raise invalid(name[:100], "Invalid request: these parameters cannot be read.")
        _put(tree, [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])], value, name)
    decoded: dict[str, Any] = _with_lists(tree)
    return decoded


def _put(tree: dict[str, Any], path: list[str], value: str, name: str) -> None:
    if len(path) > DEPTH_MAX:
        raise invalid(name[:100], "Invalid request: parameters are nested too deeply.")
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise invalid(name[:100], "Invalid request: a parameter is both text and an object.")
    last = path[-1] or str(len(tree))  # `a[]=1&a[]=2` is a list, too
    if isinstance(tree.get(last), dict):
        raise invalid(name[:100], "Invalid request: a parameter is both text and an object.")
    tree[last] = value


def _with_lists(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    if tree and all(part.isdecimal() for part in tree):
        return [_with_lists(tree[part]) for part in sorted(tree, key=int)]
    return {part: _with_lists(below) for part, below in tree.items()}


def check(given: Any, shape: Shape, path: str = "") -> Any:
    """The same with numbers and booleans in place of texts. Raises StripeRefusal naming the parameter."""
    if isinstance(shape, Mapping):
        return _check_object(given, shape, path)
    if isinstance(shape, Many):
        if not isinstance(given, list) or len(given) > LIST_MAX:
            raise invalid(path, "Invalid array")
        return [check(one, shape.of, f"{path}[{at}]") for at, one in enumerate(given)]
    if isinstance(shape, Texts):
        return _check_texts(given, path)
    if not isinstance(given, str):
        raise invalid(path, "Invalid string")
    return _check_leaf(given, shape, path)


def _check_object(given: Any, shape: Mapping[str, Shape], path: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise invalid(path, "Invalid object")
    for name in given:
        if name not in shape:
            raise unknown_parameter(_below(path, name))
    return {name: check(below, shape[name], _below(path, name)) for name, below in given.items()}


def _check_texts(given: Any, path: str) -> dict[str, str]:
    if not isinstance(given, dict) or len(given) > 50:
        raise invalid(path, "Invalid metadata")
    for name, value in given.items():
        if not isinstance(value, str) or len(name) > 40 or len(value) > 500:
            raise invalid(_below(path, name[:40]), "Metadata has names of up to 40 and values of up to 500 characters.")
    return given


def _check_leaf(given: str, shape: Text | Integer | Boolean | Choice, path: str) -> Any:
    match shape:
        case Integer():
            if not _INTEGER.fullmatch(given):
                raise invalid(path, f"Invalid integer: {given[:40]}", "parameter_invalid_integer")
            return int(given)
        case Boolean():
            if given not in {"true", "false"}:
                raise invalid(path, f"Invalid boolean: {given[:40]}")
            return given == "true"
        case Choice(among):
            if given not in among:
                raise invalid(path, f"Invalid {path}: must be one of {', '.join(among)}")
            return given
        case Text(length_max):
            return _check_text(given, length_max, path)


def _check_text(given: str, length_max: int, path: str) -> str:
    if not given:
        raise invalid(path, f"You passed an empty string for '{path}'.", "parameter_invalid_empty")
    if len(given) > length_max:
        raise invalid(path, f"Invalid string: must be at most {length_max} characters")
    return given


def _below(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name
