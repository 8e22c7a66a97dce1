"""The wheel: all that the source tree has and the server needs, and a `tenuto` that runs from it in an empty folder."""

import contextlib
import os
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import httpx2
import pytest

from tests.engine.servers import free_port

ROOT = Path(__file__).parents[1]
PATIENCE_S = 60.0

BESIDE_THE_CODE = ("lua", "widget_static", "embed-example.html")
INSIDE_THE_CODE = ("templates", "store/migrations")
NEVER_SHIPPED = ("__pycache__", "tests", "bench", "node_modules", "tenuto-data", ".venv")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by the backend in this very environment, so that no network is needed."""
    dist = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(dist)]
    subprocess.run(build, cwd=ROOT, check=True)
    (built,) = dist.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def shipped(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


def files_of(place: Path) -> list[Path]:
    files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
    return [file for file in files if file.suffix != ".pyc"]


@pytest.mark.parametrize("name", BESIDE_THE_CODE)
def test_it_carries_what_lies_beside_the_code(shipped: set[str], name: str) -> None:
    expected = {f"widget_server/_data/{path.relative_to(ROOT).as_posix()}" for path in files_of(ROOT / name)}

    assert expected
    assert expected <= shipped


@pytest.mark.parametrize("name", INSIDE_THE_CODE)
def test_it_carries_what_lies_among_the_code(shipped: set[str], name: str) -> None:
    expected = {path.relative_to(ROOT).as_posix() for path in files_of(ROOT / "widget_server" / name)}

    assert expected
    assert expected <= shipped


def test_it_carries_every_module_and_nothing_that_is_not_for_running(shipped: set[str]) -> None:
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "widget_server").rglob("*.py")}

    assert modules <= shipped
    assert [name for name in shipped if any(part in NEVER_SHIPPED for part in name.split("/"))] == []


def test_demo_runs_from_the_wheel_in_an_empty_folder_and_ends_cleanly(wheel: Path, tmp_path: Path) -> None:
    tenuto = installed(wheel, tmp_path / "venv")
    folder = tmp_path / "empty"
    folder.mkdir()

    with demo(tenuto, folder) as (server, url):
        is_up = answered(server, f"{url}/healthz")
        redis = (folder / "tenuto-data" / "redis" / "lock").read_text() if is_up else ""
        server.send_signal(signal.SIGTERM)
        output, _ = server.communicate(timeout=PATIENCE_S)

    assert is_up, output
    assert server.returncode == 0, output
    assert "/admin" in output
    assert "Traceback" not in output
    with pytest.raises(ProcessLookupError):
        os.kill(int(redis), 0)


def installed(wheel: Path, folder: Path) -> Path:
    """The `tenuto` of a new environment with the wheel in it. The libraries are borrowed from ours, to be quick."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run([*pip, "install", "--no-index", "--no-deps", str(wheel)], check=True)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    (site_packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "tenuto"


@contextlib.contextmanager
def demo(tenuto: Path, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TENUTO_", "PYTHON"))}
    server = subprocess.Popen(
        [tenuto, "demo"],
        cwd=folder,
        env={**kept, "TENUTO_PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with server:
        try:
            yield server, f"http://localhost:{port}"
        finally:
            server.kill()


def answered(server: subprocess.Popen[str], url: str) -> bool:
    give_up_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up_at and server.poll() is None:
        with contextlib.suppress(httpx2.TransportError):
            return httpx2.get(url).status_code == 200
        time.sleep(0.1)
    return False
