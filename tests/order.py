"""The order in which a run takes its tests, so that two processes do not compile the same kernels at the same time.

Half of the time that compiling takes goes into the kernels of trees and forests. pytest-xdist gives each process a
stretch of the tests: the first of two begins with the tests of trees, the second with those of all other kernels. When
they come to tests that need both, each finds in the shared cache what the other has compiled. Slow modules come next,
so that no process is left with one of them when the other has nothing more to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

TESTS = Path(__file__).resolve().parent

TREES = (
    "kernels/hoeffding",
    "models/hoeffding_tree",
    "models/experts/trees",
    "explain/test_tree_path.py",
    "kernels/traversal",
)
"""Tests that compile the kernels of trees and forests."""

OTHER_KERNELS = (
    "kernels/text",
    "models/experts/test_ss3.py",
    "models/ss3",
    "kernels/fusion",
    "kernels/routing",
    "kernels/score",
    "kernels/decision",
    "kernels/experts",
    "kernels/common",
    "models/experts/logistic",
    "models/experts/test_linear_text.py",
    "models/experts/test_moving_clusters.py",
    "models/experts/test_naive_bayes.py",
    "models/experts/test_neighbours.py",
    "models/experts/rules",
    "models/experts/stack",
    "models/data",
)
"""Tests that compile other kernels, and no tree."""

SLOW = (
    "streams/replay",
    "models/routing",
    "models/decision",
    "models/test_driftmoe.py",
    "models/test_classifier.py",
    "streams/wire/test_decode.py",
    "streams/worker",
    "streams/transport",
)
"""What takes long besides."""


class Located(Protocol):
    """What stands in a file."""

    @property
    def path(self) -> Path:
        """The file."""


Item = TypeVar("Item", bound=Located)


def in_order(items: Sequence[Item]) -> list[Item]:
    """The same items: the first half begins with trees, the second with other kernels, and slow modules follow.

    >>> class Test(str):
    ...     path = property(lambda self: TESTS / self)
    >>> tests = ["config/a.py", "config/b.py", "kernels/text/c.py", "kernels/hoeffding/d.py"]
    >>> [str(item) for item in in_order([Test(name) for name in tests])]
    ['kernels/hoeffding/d.py', 'config/a.py', 'kernels/text/c.py', 'config/b.py']
    """
    ranks = {path: _rank(path) for path in {item.path for item in items}}
    groups = [[item for item in items if ranks[item.path][0] == kind] for kind in range(4)]
    trees, others, slow, rest = groups
    for group in (trees, others, slow):
        group.sort(key=lambda item: ranks[item.path][1])  # stable: within a module they stay as they are
    front, behind = [*trees], [*others]
    for place in range(len(SLOW)):
        half = front if place % 2 == 0 else behind
        half += [item for item in slow if ranks[item.path][1] == place]
    missing = max(len(items) // 2 - len(front), 0)
    return [*front, *rest[:missing], *behind, *rest[missing:]]


def _rank(path: Path) -> tuple[int, int]:
    """Which of the groups a file belongs to, and its place there."""
    for kind, group in enumerate((TREES, OTHER_KERNELS, SLOW)):
        for place, name in enumerate(group):
            if path.is_relative_to(TESTS / name):
                return kind, place
    return 3, 0
