from __future__ import annotations

import importlib
import json
import os
import pkgutil
import subprocess
import sys
import types
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import cast

import grimp
import pytest

PACKAGES = ("config", "kernels", "models", "explain", "streams")
ROOT = Path(__file__).resolve().parents[1]


def modules() -> list[str]:
    found = ["tocsin"]
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


def test_the_package_says_once_that_it_is_typed() -> None:
    assert [path.relative_to(ROOT) for path in ROOT.glob("*/py.typed")] == [Path("tocsin/py.typed")]


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


@pytest.fixture(scope="module")
def broker_clients() -> Mapping[str, list[str]]:
    """The broker clients and stores that are loaded when each layer below the service has been imported.

    One process imports them from the lowest up, so that what a layer names is loaded by it or by one that it may use.
    """
    code = """
import importlib, json, sys
loaded = {}
for layer in ("config", "kernels", "models", "explain"):
    importlib.import_module(f"tocsin.{layer}")
    loaded[layer] = [name for name in ("confluent_kafka", "kafka", "lmdb") if name in sys.modules]
print(json.dumps(loaded))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return cast(Mapping[str, list[str]], json.loads(result.stdout))


@pytest.mark.parametrize("layer", ["config", "kernels", "models", "explain"])
def test_a_layer_can_be_used_without_a_broker_client(layer: str, broker_clients: Mapping[str, list[str]]) -> None:
    assert broker_clients[layer] == []


def test_the_models_are_imported_when_they_are_first_named() -> None:
    code = """
import sys, tocsin
assert [name for name in sys.modules if name.startswith("tocsin.")] == ["tocsin.version"]
from tocsin import SS3, Classifier, DriftMoE, HoeffdingTree, __version__
import tocsin.models
assert tocsin.Classifier is tocsin.models.Classifier
assert {"SS3", "Classifier", "DriftMoE", "HoeffdingTree", "__version__"} <= set(dir(tocsin))
assert not hasattr(tocsin, "Clasifier")
"""
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)


def test_no_two_modules_import_each_other_by_whatever_way() -> None:
    graph = grimp.build_graph("tocsin")
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert [sorted(cycle) for cycle in cycles(imports)] == []


def cycles(imports: Mapping[str, AbstractSet[str]]) -> list[set[str]]:
    """The sets of modules in which each imports each other, directly or through others."""
    reached = {module: _reachable(imports, module) for module in imports}
    found = {
        frozenset(other for other in reached[module] if module in reached[other])
        for module in imports
        if module in reached[module]
    }
    return [set(component) for component in found]


def _reachable(imports: Mapping[str, AbstractSet[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for module in imports.get(waiting.pop(), ()):
            if module not in found:
                found.add(module)
                waiting.append(module)
    return found


def test_a_cycle_would_be_found() -> None:
    imports = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"f", "a"}, "f": {"e"}}
    assert sorted(sorted(cycle) for cycle in cycles(imports)) == [["b", "c"], ["e", "f"]]
