"""The only place for the ways of paying: what is kept of one, and what people call it."""

from dataclasses import dataclass

TYPE_LENGTH_MAX, BRAND_LENGTH_MAX, LAST4_LENGTH = 40, 40, 4
CARD = "card"
_BRANDS = {
    "amex": "American Express",
    "cartes_bancaires": "Cartes Bancaires",
    "diners": "Diners Club",
    "discover": "Discover",
    "eftpos_au": "Eftpos Australia",
    "jcb": "JCB",
    "link": "Link",
    "mastercard": "Mastercard",
    "unionpay": "UnionPay",
    "visa": "Visa",
}
NAMES = {
    "affirm": "Affirm",
    "afterpay_clearpay": "Afterpay / Clearpay",
    "alipay": "Alipay",
    "alma": "Alma",
    "amazon_pay": "Amazon Pay",
    "bancontact": "Bancontact",
    "billie": "Billie",
    "bizum": "Bizum",
    "blik": "BLIK",
    "cashapp": "Cash App Pay",
    "eps": "EPS",
    "fpx": "FPX",
    "giropay": "giropay",
    "grabpay": "GrabPay",
    "ideal": "iDEAL",
    "kakao_pay": "Kakao Pay",
    "klarna": "Klarna",
    "link": "Link",
    "mb_way": "MB WAY",
    "mobilepay": "MobilePay",
    "multibanco": "Multibanco",
    "naver_pay": "Naver Pay",
    "p24": "Przelewy24",
    "paynow": "PayNow",
    "paypal": "PayPal",
    "pix": "Pix",
    "promptpay": "PromptPay",
    "revolut_pay": "Revolut Pay",
    "samsung_pay": "Samsung Pay",
    "satispay": "Satispay",
    "sepa_debit": "SEPA Direct Debit",
    "swish": "Swish",
    "twint": "TWINT",
    "upi": "UPI",
    "wechat_pay": "WeChat Pay",
    "zip": "Zip",
}
"""Proper names, the same in each language."""


@dataclass(frozen=True, slots=True)
class Method:
    """Nothing that anybody could pay with. `type` and `brand` are Stripe's words; brand and digits may be empty."""

    type: str
    brand: str = ""
    last4: str = ""

    @property
    def shown(self) -> str:
        """Such as `Visa •••• 4242`; empty for what has no name that we know."""
        name = _BRANDS.get(self.brand, "") if self.type == CARD else NAMES.get(self.type, "")
        is_known = bool(name) or self.type == CARD
        return f"{name} •••• {self.last4}".strip() if self.last4 and is_known else name
