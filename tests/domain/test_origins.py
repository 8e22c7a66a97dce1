import pytest

from widget_server.domain.origins import allowed_origin


@pytest.mark.parametrize(
    ("typed", "origin"),
    [
        ("https://www.example.org", "https://www.example.org"),
        ("  HTTPS://WWW.Example.ORG/ ", "https://www.example.org"),
        ("https://example.org:443", "https://example.org"),
        ("https://example.org:8443", "https://example.org:8443"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://192.0.2.7", "https://192.0.2.7"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("http://studio.localhost", "http://studio.localhost"),
    ],
)
def test_an_origin_is_kept_just_as_a_browser_names_it(typed: str, origin: str) -> None:
    assert allowed_origin(typed) == origin


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("www.example.org", "Begin with https://"),
        ("ftp://example.org", "Begin with https://"),
        ("javascript:alert(1)", "Begin with https://"),
        ("https://", "Begin with https://"),
        ("http://example.org", "Use https://example.org"),
        ("https://example.org/book", "Leave out what follows the host: https://example.org"),
        ("https://example.org?x=1", "Leave out what follows"),
        ("https://example.org/#top", "Leave out what follows"),
        ("https://anna@example.org", "before the @"),
        ("https://*.example.org", "a * cannot"),
        ("https://[::1]:8000", "IPv6"),
        ("https://[::1", "not an address"),
        ("https://example.org:99999", "port"),
        ("https://example.org:0", "port"),
        ("https://exa mple.org", "not the name of a host"),
        ("https://example.org;script-src *", "a * cannot"),
        ("https://example.org;script-src", "not the name of a host"),
        ("https://-.example.org", "not the name of a host"),
        ("https://300.1.2.3", "not the name of a host"),
        ("https://" + "a" * 400, "too long"),
    ],
)
def test_what_is_no_origin_is_refused_with_a_hint(typed: str, hint: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        allowed_origin(typed)

    assert hint in str(refused.value)
