"""A sealed secret is of no use without the server's key, nor anywhere but in its own place."""

import pytest

from widget_server.sealing import Seal

SECRET = "sk_test_a-secret-of-annas"
SEAL = Seal(b"a server's key, of at least so many letters")


def test_a_secret_comes_out_as_it_went_in() -> None:
    sealed = SEAL.close(SECRET, place="site 1, key")

    assert SEAL.open(sealed, place="site 1, key") == SECRET
    assert SECRET not in sealed
    assert sealed != SEAL.close(SECRET, place="site 1, key"), "the same twice looks like two"


def test_it_opens_in_no_other_place() -> None:
    sealed = SEAL.close(SECRET, place="site 1, key")

    assert SEAL.open(sealed, place="site 2, key") is None


def test_it_opens_under_no_other_key() -> None:
    other = Seal(b"another server's key, as long as the first")

    assert other.open(SEAL.close(SECRET, place=""), place="") is None
    assert other.name != SEAL.name
    assert Seal(b"a server's key, of at least so many letters").name == SEAL.name


@pytest.mark.parametrize("wrong", ["", "AAAA", "not base64!", "é"])
def test_what_was_never_sealed_does_not_open(wrong: str) -> None:
    assert SEAL.open(wrong, place="") is None


def test_a_changed_secret_does_not_open() -> None:
    sealed = SEAL.close(SECRET, place="")

    for at in (0, 20, len(sealed) - 5):
        changed = sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :]
        assert SEAL.open(changed, place="") is None
