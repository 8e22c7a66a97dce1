"""The public JSON API under /v1."""
