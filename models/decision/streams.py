"""What is known of the streams (partitions) that events come from, beside the model."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from tocsin.models.data.batch import Ints
from tocsin.models.decision.traffic.recent import RecentTraffic


class Streams(NamedTuple):
    """What came of late in the streams that a batch of B events comes from."""

    partition: Ints
    """int64 [B], which stream each event comes from."""
    priors: Mapping[int, bytes | None] = MappingProxyType({})
    """By stream, the state of its `RecentPriors`; None where nothing is known yet."""
    traffic: Mapping[int, RecentTraffic] = MappingProxyType({})
    """By stream, its recent traffic before the first of these events; empty where traffic is not compared."""
