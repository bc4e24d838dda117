from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

PACKAGES = ("config", "kernels", "models", "explain", "streams")
ROOT = Path(__file__).resolve().parents[1]


def modules() -> list[str]:
    found = []
    for package in PACKAGES:
        found.append(f"tocsin.{package}")
        path = importlib.import_module(f"tocsin.{package}").__path__
        found += [m.name for m in pkgutil.walk_packages(path, f"tocsin.{package}.")]
    return [name for name in found if not name.endswith("__main__")]


def test_imports_go_down_the_layers_only() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    result = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "120"},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_every_public_name_exists_and_what_is_meant_to_be_public_is_named() -> None:
    for name in modules():
        module = importlib.import_module(name)
        exported = getattr(module, "__all__", None)
        if exported is None:
            continue
        assert len(set(exported)) == len(exported), name
        missing = [n for n in exported if not hasattr(module, n)]
        assert not missing, f"{name}.__all__ names {missing}"
        public = {
            n for n, v in vars(module).items()
            if not n.startswith("_") and not isinstance(v, types.ModuleType) and n != "annotations"
        }  # fmt: skip
        assert public <= set(exported), f"{name} has {sorted(public - set(exported))} beside its __all__"


def test_every_module_says_what_it_is() -> None:
    assert [n for n in modules() if not importlib.import_module(n).__doc__ and n != "tocsin.config.presets"] == []


@pytest.mark.parametrize("package", ["config", "kernels", "models", "explain"])
def test_a_layer_can_be_used_without_a_broker_client(package: str) -> None:
    code = f"import sys, tocsin.{package}; print([m for m in ('confluent_kafka', 'kafka', 'lmdb') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == "[]"
