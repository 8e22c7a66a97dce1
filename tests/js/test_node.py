"""Runs the tests of the widget's modules, which are JavaScript, with Node's own test runner."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PATIENCE_S = 600


def test_the_modules_of_the_widget_pass_their_own_tests() -> None:
    node = shutil.which("node")
    if node is None and not os.environ.get("CI"):
        pytest.skip("needs node")
    assert node is not None, "CI has to have node"

    ran = subprocess.run(
        [node, "--test", *sorted(str(file) for file in HERE.glob("*.test.mjs"))],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout[-8000:]
    assert "# pass 0" not in ran.stdout
