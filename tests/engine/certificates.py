"""An authority of the tests' own, and a certificate of it for 127.0.0.1, made by openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_OF_SERVER = """subjectAltName = IP:127.0.0.1
basicConstraints = CA:FALSE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


@dataclass(frozen=True)
class Certificates:
    authority: Path
    certificate: Path
    key: Path

    @property
    def of_server(self) -> tuple[str, ...]:
        """What a Redis is started with to use them; it wants a certificate of its clients, too."""
        files = {"cert-file": self.certificate, "key-file": self.key, "ca-cert-file": self.authority}
        return tuple(word for name, path in files.items() for word in (f"--tls-{name}", str(path)))

    @property
    def in_url(self) -> str:
        return f"ssl_ca_certs={self.authority}&ssl_certfile={self.certificate}&ssl_keyfile={self.key}"


def made_in(folder: Path) -> Certificates:
    authority, its_key = folder / "authority.pem", folder / "authority.key"
    certificate, key, asked, wanted = (folder / f"redis.{end}" for end in ("pem", "key", "csr", "cnf"))
    wanted.write_text(_OF_SERVER)
    is_authority = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    _openssl("req", "-x509", *_NEW_KEY, *is_authority, "-keyout", its_key, "-out", authority, "-subj", "/CN=Authority")
    _openssl("req", *_NEW_KEY, "-keyout", key, "-out", asked, "-subj", "/CN=Redis")
    signing = ("-CA", authority, "-CAkey", its_key, "-CAcreateserial", "-days", "2")
    _openssl("x509", "-req", "-in", asked, *signing, "-extfile", wanted, "-out", certificate)
    return Certificates(authority, certificate, key)


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)
