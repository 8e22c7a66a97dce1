"""The only place for what the pretend Stripe refuses, in the words and shapes of the real one."""

from typing import Any


class StripeRefusal(Exception):
    """Becomes `{"error": {"type", "code", "message", "param"}}`."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        is_kept: bool = True,
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.kind, self.code, self.param = message, status, kind, code, param
        self.is_kept = is_kept
        """Under its idempotency key. What fails before anything was done is not, and may be sent again corrected."""

    def body(self) -> dict[str, Any]:
        parts = {"code": self.code, "message": self.message, "param": self.param, "type": self.kind}
        return {"error": {name: part for name, part in parts.items() if part is not None}}


def without_key() -> StripeRefusal:
    return StripeRefusal("You did not provide an API key.", status=401, is_kept=False)


def wrong_key(key: str) -> StripeRefusal:
    shown = f"{key[:8]}{'*' * 8}{key[-4:]}" if len(key) > 12 else "*" * len(key)
    return StripeRefusal(f"Invalid API Key provided: {shown}", status=401, is_kept=False)


def not_permitted() -> StripeRefusal:
    message = "The provided key does not have the required permissions for this endpoint."
    return StripeRefusal(message, status=403, is_kept=False)


def unknown_address(method: str, path: str) -> StripeRefusal:
    return StripeRefusal(f"Unrecognized request URL ({method}: {path}).", status=404, is_kept=False)


def missing_object(kind: str, id: str, param: str) -> StripeRefusal:
    return StripeRefusal(f"No such {kind}: '{id}'", status=404, code="resource_missing", param=param)


def unknown_parameter(param: str) -> StripeRefusal:
    message = f"Received unknown parameter: {param}"
    return StripeRefusal(message, code="parameter_unknown", param=param, is_kept=False)


def missing_parameter(param: str) -> StripeRefusal:
    message = f"Missing required param: {param}."
    return StripeRefusal(message, code="parameter_missing", param=param, is_kept=False)


def invalid(param: str, message: str, code: str | None = None) -> StripeRefusal:
    return StripeRefusal(message, code=code, param=param, is_kept=False)


def other_parameters(key: str) -> StripeRefusal:
    message = (
        "Keys for idempotent requests can only be used with the same parameters they were first used with. "
        f"Try using a key other than '{key}' if you meant to execute a different request."
    )
    return StripeRefusal(message, kind="idempotency_error", is_kept=False)


def still_running(key: str) -> StripeRefusal:
    message = (
        f"There is currently another in-progress request using this Idempotent Key ({key}). Please try again later."
    )
    return StripeRefusal(message, status=409, kind="idempotency_error", code="idempotency_key_in_use", is_kept=False)


def not_open(status: str) -> StripeRefusal:
    return StripeRefusal(
        'Only Checkout Sessions with a status in ["open"] can be expired. '
        f"This Checkout Session has a status of `{status}`."
    )


def unexpected_state(done: str, status: str, wanted: tuple[str, ...]) -> StripeRefusal:
    """`done` is "captured" or "canceled"."""
    message = (
        f"This PaymentIntent could not be {done} because it has a status of {status}. "
        f"Only a PaymentIntent with one of the following statuses may be {done}: {', '.join(wanted)}."
    )
    return StripeRefusal(message, code="payment_intent_unexpected_state")


def of_a_session() -> StripeRefusal:
    message = (
        "You cannot cancel the PaymentIntent of a Checkout Session that is open: expire the Checkout Session instead."
    )
    return StripeRefusal(message, code="payment_intent_unexpected_state")


def nothing_to_refund(intent: str) -> StripeRefusal:
    return StripeRefusal(f"This PaymentIntent ({intent}) does not have a successful charge to refund.")


def refunded_already(charge: str) -> StripeRefusal:
    return StripeRefusal(f"Charge {charge} has already been refunded.", code="charge_already_refunded")


def disputed(charge: str) -> StripeRefusal:
    return StripeRefusal(f"Charge {charge} has been charged back; cannot issue a refund.", code="charge_disputed")


def refund_too_large(wanted: str, left: str) -> StripeRefusal:
    return StripeRefusal(
        f"Refund amount ({wanted}) is greater than unrefunded amount on charge ({left})", param="amount"
    )


def broken() -> StripeRefusal:
    return StripeRefusal("An unknown error occurred.", status=500, kind="api_error")


def too_many() -> StripeRefusal:
    return StripeRefusal("Request rate limit exceeded.", status=429, code="rate_limit", is_kept=False)


def locked() -> StripeRefusal:
    message = "This object cannot be accessed right now because another API request is currently accessing it."
    return StripeRefusal(message, status=429, code="lock_timeout", is_kept=False)
