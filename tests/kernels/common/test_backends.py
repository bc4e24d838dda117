"""The choice of a back end."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.kernels import fusion
from tocsin.kernels import score as scoring
from tocsin.kernels.common.backends import (
    ORDER,
    VARIABLE,
    Registry,
    UnknownBackendError,
    always,
)


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def registry(*names: str) -> Registry[[], str]:
    made: Registry[[], str] = Registry("kernel")
    for name in names:
        made.register(name, runs=always, suits=always)(lambda name=name: name)
    return made


def test_auto_prefers_the_fastest_that_is_there() -> None:
    for i in range(len(ORDER)):
        assert registry(*reversed(ORDER[i:])).get()() == ORDER[i]


def test_a_name_given_overrides_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "torch")
    made = registry("reference", "torch", "numba")
    assert made.choose() == "torch"
    assert made.choose("reference") == "reference"


def test_an_empty_variable_is_none_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    assert registry("reference").choose() == "reference"


def test_a_back_end_that_is_not_here_is_told_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownBackendError, match=r"kernel has no back end 'cuda' here.*numba, reference"):
        registry("reference", "numba").get("cuda")
    monkeypatch.setenv(VARIABLE, "triton")
    with pytest.raises(UnknownBackendError, match="'triton'"):
        registry("reference").get()


def test_a_misspelt_registration_fails_at_once_rather_than_never_being_chosen() -> None:
    with pytest.raises(UnknownBackendError, match="'numbas'"):
        registry("numbas")


def test_fusion_always_has_its_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fusion.backend("reference") == "reference"
    monkeypatch.setenv(VARIABLE, "reference")
    assert fusion.backend() == "reference"
    with pytest.raises(UnknownBackendError):
        fusion.fuse(np.ones((1, 1, 2)), np.ones((1, 1)), backend="abacus")


def test_auto_passes_by_what_does_not_suit() -> None:
    made = registry("reference", "numba")
    made.register("triton", runs=always, suits=lambda: False)(lambda: "triton")
    assert made.choose() == "numba"
    assert made.choose("triton") == "triton"


def test_auto_is_numba_and_never_triton_even_where_a_device_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.kernels.common.backends.cuda_there", lambda: True)
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert fusion.backend() == scoring.backend() == "numba"
    made = registry("reference")
    made.register("triton", runs=always)(lambda: "triton")
    assert made.choose() == "reference"
    assert made.choose("triton") == "triton"


def test_a_back_end_that_does_not_run_here_is_not_here() -> None:
    made = registry("reference")
    made.register("torch", runs=lambda: False)(lambda: "torch")
    assert made.available() == ("reference",)
    assert made.choose() == "reference"
    with pytest.raises(UnknownBackendError, match="'torch'"):
        made.get("torch")


@pytest.mark.parametrize("backend", ["torch", "triton"])
def test_a_back_end_whose_packages_are_missing_names_the_extra_that_installs_them(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.kernels.common.backends.installed", lambda package: False)
    assert fusion.backends() == ("numba", "reference")
    with pytest.raises(UnknownBackendError, match=r"PyTorch.*`pip install 'tocsin\[gpu\]'`.*auto or one of numba"):
        fusion.fuse(np.ones((1, 1, 2)), np.ones((1, 1)), backend=backend)
