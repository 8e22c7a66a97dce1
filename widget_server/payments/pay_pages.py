"""The only place that says what pay pages at Stripe speak, and which ways to pay they leave out."""

TAKE_DAYS = (
    "acss_debit",
    "au_becs_debit",
    "bacs_debit",
    "boleto",
    "customer_balance",
    "konbini",
    "multibanco",
    "nz_bank_account",
    "oxxo",
    "payto",
    "sepa_debit",
    "us_bank_account",
)
"""Methods whose outcome comes after days, which no seat waits for: docs.stripe.com/payments/payment-methods,
"delayed notification"."""
LANGUAGES = {
    *("bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-419", "et", "fi", "fil", "fr", "fr-CA"),
    *("hi-IN", "hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt", "pt-BR"),
    *("ro", "ru", "sk", "sl", "sv", "th", "tr", "vi", "zh", "zh-HK", "zh-TW"),
}
"""That Stripe's pages speak."""


def language(locale: str) -> str:
    """Of those that Stripe's pages speak; "auto" leaves it to the customer's browser."""
    return next((tag for tag in (locale, locale.partition("-")[0]) if tag in LANGUAGES), "auto")
