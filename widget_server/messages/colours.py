"""The only place that chooses colours of mails: a site's accent, and text on it that can be read."""

import re

_DEFAULT = "#2f6f5e"
_MIDDLE = 0.179
"""Of relative luminance: here black and white stand out alike."""


def accent_of(colour: str) -> tuple[str, str]:
    """The accent as `#rrggbb`, and black or white, whichever reads better on it."""
    accent = colour if re.fullmatch(r"#[0-9a-fA-F]{6}", colour) else _DEFAULT
    red, green, blue = (_linear(int(accent[at : at + 2], 16) / 255) for at in (1, 3, 5))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return accent, "#000000" if luminance > _MIDDLE else "#ffffff"


def _linear(channel: float) -> float:
    return float(channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4)
