"""The config that a worker decides by, as it is kept: see `tocsin.streams.wire.proof.kept_configs`."""

from __future__ import annotations

from tocsin.config.settings import Settings
from tocsin.streams.wire.encode import Output
from tocsin.streams.wire.proof.kept_configs import packed_config


def config_output(settings: Settings) -> Output:
    """The record that keeps a config under its digest. The topic is compacted, so that one of each remains."""
    return Output(settings.topics.configs, settings.digest().encode(), packed_config(settings))
