"""How much CPU does `tocsin --help` cost beside a bare `import typer, rich`, and what does `import tocsin.models` load?

Each command runs in a process of its own, five times in turn with the others; the least of its five CPU times (user and
system, of the process and its children) counts, so that what else the machine does matters little. The ratio is bounded
by 3. The first run of anything also writes its byte code, and is not measured.

    python benchmarks/startup.py
"""

from __future__ import annotations

import resource
import subprocess
import sys

RUNS = 5
BOUND = 3.0
BASE = "import typer, rich"
HELP = "tocsin --help"
COMMANDS = {
    "(an empty program)": ["-c", ""],
    BASE: ["-c", BASE],
    HELP: ["-m", "tocsin.streams.cli", "--help"],
    "tocsin --version": ["-m", "tocsin.streams.cli", "--version"],
    "import tocsin.models": ["-c", "import tocsin.models"],
}
WATCHED = ("torch", "river", "numba", "pyarrow", "pydantic", "confluent_kafka", "kafka")


def cpu_seconds(arguments: list[str]) -> float:
    """User and system time of one run of the interpreter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def loaded_by(statement: str) -> list[str]:
    """Those of `WATCHED` that a statement imports."""
    code = f"{statement}; import sys; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [name for name in WATCHED if name in result.stdout.split()]


def main() -> None:
    for arguments in COMMANDS.values():
        cpu_seconds(arguments)
    rounds = [{name: cpu_seconds(arguments) for name, arguments in COMMANDS.items()} for _ in range(RUNS)]
    least = {name: min(times[name] for times in rounds) for name in COMMANDS}
    print(f"{'':24}{'CPU seconds':>12}{'of ' + repr(BASE):>26}")
    for name, seconds in least.items():
        print(f"{name:24}{seconds:>12.3f}{seconds / least[BASE]:>26.2f}")
    for statement in ("import tocsin.models", "import tocsin.streams.cli.app"):
        loaded = loaded_by(statement)
        print(f"{statement} loads torch: {'yes' if 'torch' in loaded else 'no'}; of the others {', '.join(loaded)}")
    ratio = least[HELP] / least[BASE]
    print(f"{HELP} costs {ratio:.2f} times {BASE!r}; at most {BOUND:.0f} are allowed")
    sys.exit(ratio > BOUND)


if __name__ == "__main__":
    main()
