"""The only place that keeps the keys of sites at Stripe: sealed in SQL, opened for those who are about to use them."""

from sqlalchemy import bindparam
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.payment_accounts import AccountState
from widget_server.store.tables import PaymentAccountRow

# Asked with every reading of a schedule, so it is made once: making one takes longer than running it.
_USABLE = select(PaymentAccountRow.id).where(
    col(PaymentAccountRow.site_id) == bindparam("site_id"),
    col(PaymentAccountRow.is_test) == bindparam("is_test"),
    col(PaymentAccountRow.removed_at).is_(None),
    col(PaymentAccountRow.state) != AccountState.REFUSED,
)


async def read_takes_payments(session: AsyncSession, site_id: int, *, is_test: bool) -> bool:
    """Whether there is an account for new payments of this mode."""
    return (await session.exec(_USABLE, params={"site_id": site_id, "is_test": is_test})).first() is not None
