"""The metrics as Prometheus reads them."""

from __future__ import annotations

from tocsin.streams.monitor.metrics import FAMILIES, CappedNames, Metrics


def test_every_family_is_collected_under_a_proper_name() -> None:
    names = [family.name for family in Metrics().registry.collect()]
    assert names == [family.name for family in FAMILIES]
    assert len(set(names)) == len(names)
    assert all(name.startswith("tocsin_") and not name.endswith("_total") for name in names)


def test_long_names_are_cut() -> None:
    assert len(CappedNames(1)("x" * 10_000)) == 128
