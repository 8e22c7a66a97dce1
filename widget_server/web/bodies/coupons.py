"""How /v1 tells what something costs with a coupon."""

from widget_server.use_cases.coupons import Quote
from widget_server.web.shapes import Body, MoneyBody


class QuoteAnswer(Body):
    coupon: str
    """As its operator wrote it."""
    full: MoneyBody
    """Without it."""
    discount: MoneyBody
    total: MoneyBody

    @staticmethod
    def of(quote: Quote) -> "QuoteAnswer":
        return QuoteAnswer(
            coupon=quote.coupon,
            full=MoneyBody.of(quote.full),
            discount=MoneyBody.of(quote.discount),
            total=MoneyBody.of(quote.total),
        )
