"""How many CPU seconds pass until `tocsin run` is ready, at the first start and at the second?

The service runs on the embedded broker with a preset, an empty state and, at first, an empty cache of compiled kernels.
Its CPU time (user and system, of the process and its children) is read when its log says "ready". The second start
finds the kernels compiled, and is bounded by 4 CPU seconds.

    python benchmarks/ready.py [--config config/presets/electricity.yaml] [--warm]

`--warm` leaves the first start out and uses the user's own cache.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tocsin.streams.transport.embedded import EmbeddedBroker

TICKS = os.sysconf("SC_CLK_TCK")
BOUND = 4.0
PATIENCE = 900.0


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of its children that have ended (proc(5), fields 14 to 17)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(field) for field in fields[11:15]) / TICKS


def start(config: str, environment: dict[str, str]) -> tuple[float, float]:
    """CPU and wall-clock seconds until the service is ready; it is stopped then."""
    began = time.monotonic()
    command = [sys.executable, "-m", "tocsin.streams.cli", "run", config]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lines = []
    try:
        for line in process.stderr:
            lines.append(line)
            if "ready" in line:
                return cpu_seconds(process.pid), time.monotonic() - began
            if time.monotonic() - began > PATIENCE:
                break
        raise RuntimeError("not ready: " + "".join(lines)[-2_000:])
    finally:
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="config/presets/electricity.yaml")
    parser.add_argument("--warm", action="store_true")
    arguments = parser.parse_args()
    with EmbeddedBroker() as broker, tempfile.TemporaryDirectory() as scratch:
        environment = {
            **os.environ,
            "TOCSIN_KAFKA__BOOTSTRAP": broker.bootstrap,
            "TOCSIN_STATE__DIRECTORY": f"{scratch}/state",
        }
        if not arguments.warm:
            environment["TOCSIN_CACHE_DIR"] = f"{scratch}/cache"
            print("first start:  {:.1f} CPU s, {:.1f} s".format(*start(arguments.config, environment)))
        start(arguments.config, environment)
        second = [start(arguments.config, environment) for _ in range(3)]
        cpu, wall = min(second)
        print(f"second start: {cpu:.1f} CPU s, {wall:.1f} s; at most {BOUND:g} CPU s are allowed")


if __name__ == "__main__":
    main()
