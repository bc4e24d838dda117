"""What is known of the streams (partitions) that events come from, beside the model."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from tocsin.models.data.batch import Floats, Ints
from tocsin.models.decision.traffic.recent import RecentTraffic


class Streams(NamedTuple):
    """What came of late in the streams that a batch of B events comes from.

    Who decides events again knows what followed from it, and gives that instead: `ratio` and `traffic_ratio`.
    """

    partition: Ints
    """int64 [B], which stream each event comes from."""
    priors: Mapping[int, bytes | None] = MappingProxyType({})
    """By stream, the state of its `RecentPriors`; None where nothing is known yet."""
    traffic: Mapping[int, RecentTraffic] = MappingProxyType({})
    """By stream, its recent traffic before the first of these events; empty where traffic is not compared."""
    ratio: Floats | None = None
    """[B, K], how much more frequent than usual each class is taken to be, where that is given."""
    traffic_ratio: Floats | None = None
    """[B], the traffic ratio of each event, where it is given; NaN where it was not known."""
