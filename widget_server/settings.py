"""What the environment may say. Every variable is described in docs/settings.md."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="TENUTO_", frozen=True)

    redis_url: str | None = None
    database_url: str | None = None
    data_dir: Path = Path("tenuto-data")
    public_url: str | None = None
    host: str = "localhost"
    port: Annotated[int, Field(ge=1, le=65_535)] = 8000
    secret_key: SecretStr | None = None
    trusted_proxies: str = ""
    smtp_url: SecretStr | None = None
    mail_from: str | None = None
    stripe_url: str | None = None
    audit_round_s: Annotated[float, Field(ge=1, le=86_400)] = 30

    @field_validator("stripe_url")
    @classmethod
    def _is_a_url(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^/?#@\s]+(?:/[\w./-]*)?", value):
            raise ValueError("use a URL, as http://localhost:12111")
        return value and value.rstrip("/")

    @field_validator("public_url")
    @classmethod
    def _is_an_origin(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^/?#@\s]+/?", value):
            raise ValueError("use scheme and host, as https://book.example.org")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for part in value.split(","):
            if part.strip():
                ip_network(part.strip(), strict=False)
        return value

    @property
    def base_url(self) -> str:
        """Where browsers reach this server, without a slash at the end."""
        return (self.public_url or f"http://localhost:{self.port}").rstrip("/")
