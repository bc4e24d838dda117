"""What `python -m build` makes of the repository, and that it works where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import tocsin

pytestmark = pytest.mark.acceptance
ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("config", "explain", "kernels", "models", "streams")
IMPORT_ALL = """
import importlib, pathlib, pkgutil, tocsin
from tocsin import SS3, Classifier, DriftMoE, HoeffdingTree
for module in pkgutil.walk_packages(tocsin.__path__, "tocsin."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(pathlib.Path(tocsin.__file__).parent, tocsin.__version__)
"""
BUILT_FROM = ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "tocsin", *FOLDERS)


def sources() -> set[str]:
    """The files that an installation needs, as they stand in the package."""
    data = ("*.py", "presets/*.yaml", "presets/data/*")
    found = {path for folder in FOLDERS for pattern in data for path in (ROOT / folder).rglob(pattern)}
    own = {"tocsin/__init__.py", "tocsin/py.typed", "tocsin/version.py"}
    return own | {f"tocsin/{path.relative_to(ROOT)}" for path in found}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with an sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("package")
    copy = folder / "repository"
    copy.mkdir()
    caches = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=caches)
        else:
            shutil.copy(ROOT / name, copy / name)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), str(copy))
    return folder / "dist"


def run(*command: str, **environment: str) -> str:
    # In a folder without a tocsin, which Python would import before any that is installed.
    place = {**os.environ, **environment}
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", env=place, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_sdist_holds_what_a_wheel_is_built_from(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    assert sdist.name == f"tocsin-{tocsin.__version__}.tar.gz"
    with tarfile.open(sdist) as archive:
        assert all(member.isfile() or member.isdir() for member in archive), "a link would lead nowhere elsewhere"
        names = {member.name.split("/", 1)[1] for member in archive if member.isfile()}
    names = {name for name in names if not name.startswith("tocsin.egg-info/")}
    top = {"pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "PKG-INFO", "setup.cfg"}
    assert names == sources() | top


def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    assert wheel.name == f"tocsin-{tocsin.__version__}-py3-none-any.whl"
    about = f"tocsin-{tocsin.__version__}.dist-info/"
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.startswith(about)}
        assert names == sources()
        metadata = archive.read(f"{about}METADATA").decode()
    assert [line for line in metadata.splitlines() if line.startswith("Requires-Dist: torch>")] == [
        'Requires-Dist: torch>=2.13; extra == "gpu"'
    ]


def test_an_installed_wheel_works_without_the_repository(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    run(sys.executable, "-m", "venv", str(tmp_path / "venv"))
    python = str(tmp_path / "venv/bin/python")
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel), PYTHONPATH="")
    # The libraries that it needs are those of this environment, whose own tocsin is no folder there.
    (site,) = {path for path in sys.path if path.endswith("site-packages")}
    told = run(python, "-c", IMPORT_ALL, PYTHONPATH=site).split()
    assert told == [str(next((tmp_path / "venv/lib").glob("*/site-packages/tocsin"))), tocsin.__version__]
    command = run(str(tmp_path / "venv/bin/tocsin"), "check", f"{told[0]}/config/presets/sms.yaml", PYTHONPATH=site)
    assert "early_risk" in command
