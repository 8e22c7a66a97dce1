"""Tenuto: an embeddable booking widget and its server."""

__version__ = "0.1.0"
