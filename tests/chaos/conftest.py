"""What towns are copied from, made once."""

import os
from collections.abc import Iterator

import pytest

from tests.chaos.processes import faketime, postgres_programs
from tests.chaos.town import Templates, templates


@pytest.fixture(scope="session")
def made_from() -> Iterator[Templates]:
    try:
        postgres_programs(), faketime()
    except FileNotFoundError as missing:
        if os.environ.get("CI"):
            pytest.fail(f"{missing}: install it, as CI has to test with it")
        pytest.skip(str(missing))
    with templates() as made_from:
        yield made_from
