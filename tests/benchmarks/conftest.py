from __future__ import annotations

import sys
from pathlib import Path

# The benchmarks are scripts: what they share is found beside them, as when one of them is run.
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
