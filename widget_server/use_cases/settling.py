"""The only place that decides what becomes of attempts to pay: Stripe says what was paid, SQL what is booked."""

from widget_server.domain.payments import AttemptState
from widget_server.use_cases.pinning import Pinning


class Settling(Pinning):
    async def settle(self, site_id: int, attempt_id: str) -> AttemptState:
        """Ask Stripe, do the next steps for what it says, and return the state by then. Any number may do so at once.

        Raises NotFound; PaymentsAway, Unavailable: it goes on from there when called again.
        """
        raise NotImplementedError

    async def settle_due(self) -> int:
        """See to the attempts that are due, of all sites, some at a time, and return how many that were."""
        raise NotImplementedError

    async def heard(self, site_key: str, body: bytes, signature: str) -> None:
        """Stripe tells of something: find out what, and do what follows. Doubled, late, out of order: all the same.

        Raises BadSignature; NotFound for a site that does not exist; Unavailable, PaymentsAway: Stripe sends it again.
        """
        raise NotImplementedError

    async def run(self) -> None:
        """All that a worker does with attempts and refunds, until cancelled. Any number of workers may run."""
        raise NotImplementedError
