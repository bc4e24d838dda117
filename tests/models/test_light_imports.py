"""What the models load, and that torch and pandas are only for those who use them."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_models_load_neither_torch_nor_pandas() -> None:
    code = """
import sys
import tocsin.models
from tocsin.models import DriftMoE, HoeffdingTree, SS3
for model in (DriftMoE(), HoeffdingTree(), SS3()):
    repr(model)
print(sorted({"torch", "pandas", "sklearn"} & set(sys.modules)))
"""
    assert run(code).strip() == "[]"


def test_the_preset_of_the_paper_says_what_to_install() -> None:
    code = """
import sys
sys.modules["torch"] = None
from tocsin.models import DriftMoE
try:
    DriftMoE(preset="paper")
except ModuleNotFoundError as error:
    print(error)
"""
    assert "pip install 'tocsin[gpu]'" in run(code)


def test_the_preset_of_the_paper_uses_one_thread_of_torch() -> None:
    pytest.importorskip("torch")
    code = """
import torch
torch.set_num_threads(4)
from tocsin.models import DriftMoE
DriftMoE(preset="paper")
print(torch.get_num_threads())
"""
    assert run(code).strip() == "1"
