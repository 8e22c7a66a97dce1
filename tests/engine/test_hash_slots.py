from bisect import bisect_left
from collections import Counter
from itertools import pairwise

import pytest

from widget_server.engine.hash_slots import SLOTS, slot_of, spread_tags


@pytest.mark.parametrize(("tag", "slot"), [("123456789", 0x31C3), ("foo", 12182), ("user1000", 3443)])
def test_a_tag_falls_into_the_slot_that_the_specification_says(tag: str, slot: int) -> None:
    assert slot_of(tag) == slot


def test_the_tags_are_the_same_for_ever() -> None:
    """A list made anew in another way would put new sites elsewhere; old ones keep theirs in SQL."""
    assert spread_tags()[:4] == ("p00-322", "p32-342", "p16-53", "p48-59")
    assert len(set(spread_tags())) == 64


@pytest.mark.parametrize("servers", [1, 2, 3, 4, 5, 6, 8, 12, 16, 32])
def test_servers_that_share_the_slots_evenly_share_the_partitions_evenly(servers: int) -> None:
    borders = [SLOTS * (number + 1) // servers - 1 for number in range(servers)]

    shares = Counter(bisect_left(borders, slot_of(tag)) for tag in spread_tags())
    assert len(shares) == servers
    assert max(shares.values()) - min(shares.values()) <= 1 + (64 % servers > 0)


@pytest.mark.parametrize("sites", [2, 4, 8, 16, 32])
def test_the_first_few_sites_are_far_apart_already(sites: int) -> None:
    slots = sorted(slot_of(tag) for tag in spread_tags()[:sites])

    gaps = [after - before for before, after in pairwise(slots)]
    assert min(gaps) > SLOTS // sites - 2 * SLOTS // 64
