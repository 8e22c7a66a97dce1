"""Hashes with a key: the same for the same text only, and nothing that could be read."""

from widget_server.ids import Keyed, is_id


def test_a_keyed_hash_is_another_one_for_another_text_purpose_or_key() -> None:
    visitors = Keyed(b"k" * 32, "visitor")

    assert visitors.of("anna") == Keyed(b"k" * 32, "visitor").of("anna")
    others = [visitors.of("ben"), Keyed(b"k" * 32, "network").of("anna"), Keyed(b"l" * 100, "visitor").of("anna")]
    assert len({visitors.of("anna"), *others}) == 4
    assert all(is_id(each) for each in others)
