"""Whatever people, machines and the seed do in virtual time, nothing that must hold breaks: the second part."""

import pytest

from tests.chaos.stories import nothing_breaks, seeds_of


@pytest.mark.parametrize("seed", seeds_of(1))
def test_nothing_breaks_whatever_happens(seed: int) -> None:
    nothing_breaks(seed)
