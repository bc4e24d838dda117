"""A worker that compiles its kernels for the first time hears SIGTERM: on a real process, with an empty cache."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMPILES = """
from tocsin.config.experts.forest import ForestSettings
from tocsin.config.model import FeatureSettings, ModelSettings
from tocsin.models.classifier import Classifier
from tocsin.streams.cli.signals import until_interrupted
from tocsin.streams.worker.warm_up import StoppedError, warm_up

features = (FeatureSettings(name="a"), FeatureSettings(name="b", kind="category"))
classifier = Classifier(ModelSettings(features=features, classes=("a", "b"), experts=(ForestSettings(),)))
with until_interrupted() as interrupted:
    def stop():
        print("asked", flush=True)
        return interrupted()
    try:
        warm_up(classifier, stop)
        print("compiled", flush=True)
    except StoppedError as stopped:
        print(stopped, flush=True)
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_compiling_within_a_part(tmp_path: Path, number: signal.Signals) -> None:
    environment = {**os.environ, "TOCSIN_CACHE_DIR": str(tmp_path)}
    environment.pop("NUMBA_CACHE_DIR", None)
    with subprocess.Popen(
        [sys.executable, "-c", COMPILES], stdout=subprocess.PIPE, text=True, env=environment
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "asked\n"  # the forest, which compiles for long, has its turn
        child.send_signal(number)
        # It does not come to ask for the next part.
        assert child.stdout.read() == "stopped while kernels were compiled\n"
    assert child.returncode == 0
