"""Importing kernels is cheap: it loads neither PyTorch nor Triton, and compiles nothing."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys

from tocsin import kernels

SCRIPT = """
import importlib, json, pkgutil, sys
from numba.core import event

class Compiles(event.Listener):
    def __init__(self):
        self.names = []
    def on_start(self, started):
        self.names.append(started.data["dispatcher"].py_func.__qualname__)
    def on_end(self, ended):
        pass

compiles = Compiles()
event.register("numba:compile", compiles)
found = {}
for package in json.loads(sys.argv[1]):
    name = "tocsin.kernels." + package
    modules = pkgutil.iter_modules(importlib.import_module(name).__path__)
    names = [name, *(f"{name}.{module.name}" for module in modules)]
    # These two kinds of modules import PyTorch or Triton at their top; only a back end that runs on them loads them.
    for one in names:
        if not one.rsplit(".", 1)[1].startswith(("torch_", "triton_")) and one != "tocsin.kernels.score.on_device":
            importlib.import_module(one)
    found[package] = [name for name in ("torch", "triton") if name in sys.modules] + compiles.names
print(json.dumps(found))
"""


def test_no_kernels_package_loads_torch_or_compiles_when_it_is_imported() -> None:
    # `device` is of PyTorch, and nothing imports it before a config asks for a device.
    found = [module.name for module in pkgutil.iter_modules(kernels.__path__) if module.ispkg]
    packages = [name for name in found if name != "device"]
    assert "fusion" in packages
    command = [sys.executable, "-c", SCRIPT, json.dumps(packages)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(done.stdout) == {package: [] for package in packages}
