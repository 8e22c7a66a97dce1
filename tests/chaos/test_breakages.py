"""The simulator finds bugs: whatever is broken on purpose, it tells; and of the product as it is, it tells nothing."""

import os
import shutil
from pathlib import Path

import pytest

from tests.chaos.breakages import BREAKAGES, RARELY_FOUND, Breakage
from tests.chaos.simulating import ROOT, Simulated, simulate, simulate_all

SEEDS, STEPS = range(1, 9), 1_000
SEEDS_OF_BREAKAGES = range(1, 200)
"""The first that notices is enough; more are only there for stories that a change of the product has changed, too."""
IN_THE_MAKING = shutil.ignore_patterns("*.pyc.*")
"""What was compiled goes along, as all but one of the files are as they were."""
TRIED = BREAKAGES + RARELY_FOUND if os.environ.get("TENUTO_ALL_BREAKAGES") else BREAKAGES


@pytest.mark.parametrize("breakage", TRIED, ids=lambda breakage: breakage.name)
def test_what_is_broken_on_purpose_is_found(breakage: Breakage, tmp_path: Path) -> None:
    broken_product(breakage, tmp_path)

    simulated = found_in(tmp_path, first=breakage.seed)
    assert simulated is not None, "nobody noticed"
    assert simulated.broke is not None, f"it did not come so far:\n{simulated.printed}"
    assert finds_nothing(simulated.broke.seed), "and in the product as it is, too"
    assert simulated.code == 1
    assert f"see it again: tenuto simulate --seed {simulated.broke.seed} --steps {STEPS}" in simulated.printed
    print(f"| {breakage.name} | {simulated.broke.after} | {simulated.broke.invariant} |")


@pytest.mark.parametrize("breakage", BREAKAGES + RARELY_FOUND, ids=lambda breakage: breakage.name)
def test_what_is_to_be_broken_is_there_once(breakage: Breakage) -> None:
    assert (ROOT / breakage.file).read_text("utf-8").count(breakage.before) == 1


def test_what_cannot_be_simulated_at_all_says_why_and_has_found_nothing(tmp_path: Path) -> None:
    (tmp_path / "widget_server").mkdir()
    (tmp_path / "widget_server" / "__init__.py").write_text("")

    simulated = found_in(tmp_path, first=1)
    assert simulated is not None
    assert simulated.broke is None
    assert "Traceback" in simulated.printed
    assert "ModuleNotFoundError" in simulated.printed


def test_the_same_seeds_find_nothing_in_the_product_as_it_is() -> None:
    for simulated in simulate_all(SEEDS, STEPS):
        assert simulated.code == 0, simulated.printed


def broken_product(breakage: Breakage, folder: Path) -> None:
    """A copy of the product with one text replaced; of the scripts alone, where that is one of theirs."""
    for name in ("lua",) if breakage.file.startswith("lua/") else ("widget_server", "lua"):
        shutil.copytree(ROOT / name, folder / name, ignore=IN_THE_MAKING)
    file = folder / breakage.file
    text = file.read_text("utf-8")
    assert text.count(breakage.before) == 1, "breakage does not apply any more"
    file.write_text(text.replace(breakage.before, breakage.after), "utf-8")


def found_in(folder: Path, *, first: int) -> Simulated | None:
    """The first run in which something broke, beginning with the seed that is likely to show it."""
    runs = (simulate(seeds, STEPS, root=folder) for seeds in (range(first, first + 1), SEEDS_OF_BREAKAGES))
    return next((simulated for simulated in runs if simulated.code != 0), None)


def finds_nothing(seed: int) -> bool:
    """What another test says of the first seeds is not asked again."""
    return seed in SEEDS or simulate(range(seed, seed + 1), STEPS).code == 0
