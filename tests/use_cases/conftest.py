from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.house import House, opened


@pytest.fixture
async def another(house: House, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[House]:
    """A second process on the same Redis and SQL."""
    async with opened(house.redis_url, sqlite_template, tmp_path) as another:
        yield another
