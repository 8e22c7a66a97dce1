"""The only place for what settings can be chosen from: time zones, currencies, languages, themes."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from widget_server.assets import find

_HIDDEN_AREAS = ("Etc/", "SystemV/", "US/", "Canada/", "Brazil/", "Mexico/", "Chile/", "posix/", "right/")


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    label: str


THEMES = (Choice("auto", "Automatic"), Choice("light", "Light"), Choice("dark", "Dark"))

_CURRENCIES = """
AED UAE dirham|ARS Argentine peso|AUD Australian dollar|BDT Bangladeshi taka|BGN Bulgarian lev|BHD Bahraini dinar
BIF Burundian franc|BRL Brazilian real|CAD Canadian dollar|CHF Swiss franc|CLP Chilean peso|CNY Chinese yuan
COP Colombian peso|CRC Costa Rican colón|CZK Czech koruna|DJF Djiboutian franc|DKK Danish krone|DOP Dominican peso
EGP Egyptian pound|EUR Euro|GBP British pound|GEL Georgian lari|GHS Ghanaian cedi|GNF Guinean franc
HKD Hong Kong dollar|HUF Hungarian forint|IDR Indonesian rupiah|ILS Israeli new shekel|INR Indian rupee
ISK Icelandic króna|JOD Jordanian dinar|JPY Japanese yen|KES Kenyan shilling|KMF Comorian franc|KRW South Korean won
KWD Kuwaiti dinar|KZT Kazakhstani tenge|LKR Sri Lankan rupee|MAD Moroccan dirham|MDL Moldovan leu|MGA Malagasy ariary
MXN Mexican peso|MYR Malaysian ringgit|NGN Nigerian naira|NOK Norwegian krone|NPR Nepalese rupee
NZD New Zealand dollar|OMR Omani rial|PEN Peruvian sol|PHP Philippine peso|PKR Pakistani rupee|PLN Polish złoty
PYG Paraguayan guaraní|QAR Qatari riyal|RON Romanian leu|RSD Serbian dinar|RWF Rwandan franc|SAR Saudi riyal
SEK Swedish krona|SGD Singapore dollar|THB Thai baht|TND Tunisian dinar|TRY Turkish lira|TWD New Taiwan dollar
TZS Tanzanian shilling|UAH Ukrainian hryvnia|UGX Ugandan shilling|USD US dollar|UYU Uruguayan peso|UZS Uzbekistani som
VND Vietnamese dong|VUV Vanuatu vatu|XAF Central African CFA franc|XOF West African CFA franc|XPF CFP franc
ZAR South African rand
"""
_LOCALES = """
ar العربية|ar-AE العربية (الإمارات)|ar-EG العربية (مصر)|ar-MA العربية (المغرب)|ar-SA العربية (السعودية)
bg Български|cs Čeština|da Dansk|de Deutsch|de-AT Deutsch (Österreich)|de-CH Deutsch (Schweiz)
de-DE Deutsch (Deutschland)|el Ελληνικά
en English|en-AU English (Australia)|en-CA English (Canada)|en-GB English (United Kingdom)|en-IE English (Ireland)
en-IN English (India)|en-NZ English (New Zealand)|en-US English (United States)
es Español|es-AR Español (Argentina)|es-ES Español (España)|es-MX Español (México)
et Eesti|fi Suomi|fr Français|fr-BE Français (Belgique)|fr-CA Français (Canada)|fr-CH Français (Suisse)|he עברית
hi हिन्दी|hr Hrvatski|hu Magyar|id Bahasa Indonesia|is Íslenska|it Italiano|it-CH Italiano (Svizzera)|ja 日本語|ko 한국어
lt Lietuvių|lv Latviešu|nb Norsk bokmål|nl Nederlands|nl-BE Nederlands (België)|pl Polski|pt-BR Português (Brasil)
pt-PT Português (Portugal)|ro Română|sk Slovenčina|sl Slovenščina|sr Српски|sv Svenska|th ไทย|tr Türkçe|uk Українська
vi Tiếng Việt|zh-Hans 简体中文|zh-Hant 繁體中文
"""


_CITIES = """
Ankara Europe/Istanbul|Atlanta America/New_York|Austin America/Chicago|Barcelona Europe/Madrid|Basel Europe/Zurich
Beijing Asia/Shanghai|Bengaluru Asia/Kolkata|Bern Europe/Zurich|Bordeaux Europe/Paris|Boston America/New_York
Canberra Australia/Sydney|Cape Town Africa/Johannesburg|Chennai Asia/Kolkata|Cologne Europe/Berlin
Dallas America/Chicago|Delhi Asia/Kolkata|Edinburgh Europe/London|Frankfurt Europe/Berlin|Geneva Europe/Zurich
Glasgow Europe/London|Graz Europe/Vienna|Hamburg Europe/Berlin|Houston America/Chicago|Jeddah Asia/Riyadh
Köln Europe/Berlin|Leipzig Europe/Berlin|Lyon Europe/Paris|Manchester Europe/London|Marrakesh Africa/Casablanca
Marseille Europe/Paris|Miami America/New_York|Milan Europe/Rome|Montreal America/Toronto|Mumbai Asia/Kolkata
Munich Europe/Berlin|München Europe/Berlin|Naples Europe/Rome|Osaka Asia/Tokyo|Ottawa America/Toronto
Philadelphia America/New_York|Porto Europe/Lisbon|Rabat Africa/Casablanca|Rio de Janeiro America/Sao_Paulo
Rotterdam Europe/Amsterdam|Salzburg Europe/Vienna|San Diego America/Los_Angeles|San Francisco America/Los_Angeles
Seattle America/Los_Angeles|Seville Europe/Madrid|Stuttgart Europe/Berlin|Tel Aviv Asia/Jerusalem
The Hague Europe/Amsterdam|Turin Europe/Rome|Valencia Europe/Madrid|Washington America/New_York|Wien Europe/Vienna
Zürich Europe/Zurich
"""
"""That people look for, and no zone is named after."""


def _listed(text: str) -> tuple[Choice, ...]:
    return tuple(Choice(*entry.split(" ", 1)) for line in text.strip().splitlines() for entry in line.split("|"))


CURRENCIES = tuple(Choice(c.value, f"{c.value} · {c.label}") for c in _listed(_CURRENCIES))


@cache
def locales() -> tuple[Choice, ...]:
    """The languages the widget speaks, each with the regions that write dates and prices in their own way."""
    spoken = {file.stem for file in (find("widget_static") / "locales").glob("*.json")}
    return tuple(choice for choice in _listed(_LOCALES) if choice.value.partition("-")[0] in spoken)


def with_present(choices: tuple[Choice, ...], present: str) -> tuple[Choice, ...]:
    """A site may have been made with something that is not in our list; it must not be lost by saving."""
    return choices if any(c.value == present for c in choices) else (Choice(present, present), *choices)


def zones(at: datetime) -> list[Choice]:
    """Zones people look for, by their city, with what their clocks show against UTC at this instant."""
    return [Choice(name, f"{city}, {_offset(name, at)}") for city, name in _cities()]


def find_zone(typed: str) -> ZoneInfo | None:
    """The zone of this name or of this city, in capitals or not, with spaces or underscores."""
    wanted = "_".join(typed.partition(",")[0].casefold().split())
    name = _zones_by_folded_name().get(wanted) or _zones_by_folded_city().get(wanted)
    return ZoneInfo(name) if name else None


@cache
def _cities() -> tuple[tuple[str, str], ...]:
    """Each with its zone."""
    others = ((city, name) for line in _CITIES.strip().splitlines() for city, _, name in _parted(line))
    return tuple(sorted([*((name.rpartition("/")[2].replace("_", " "), name) for name in _zone_names()), *others]))


def _parted(line: str) -> list[tuple[str, str, str]]:
    return [entry.rpartition(" ") for entry in line.split("|")]


@cache
def _zones_by_folded_city() -> dict[str, str]:
    """Some zones have an old name as well, which is the shorter one, or in Asia where the new one is in Europe."""
    by_age = sorted(_cities(), key=lambda entry: (entry[1].count("/"), entry[1]))
    return {"_".join(city.casefold().split()): name for city, name in by_age}


@cache
def _zone_names() -> tuple[str, ...]:
    known = _zones_by_folded_name().values()
    return tuple(sorted(name for name in known if "/" in name and not name.startswith(_HIDDEN_AREAS)))


@cache
def _zones_by_folded_name() -> dict[str, str]:
    known = available_timezones() - {"localtime", "Factory"}
    return {name.casefold(): name for name in known if not name.startswith(("posix/", "right/"))}


def _offset(name: str, at: datetime) -> str:
    """`UTC+05:30`"""
    spelled = at.astimezone(ZoneInfo(name)).strftime("%z")
    return f"UTC{spelled[:3]}:{spelled[3:5]}"
