"""The state of a river model as arrays: no pickle, no recursion, no code run while reading.

A model is a graph of Python objects. It is written as a table of nodes (JSON in a byte array) in which objects refer
to each other by number. Reading makes objects only of classes that live under `river.` (and a few plain containers),
without calling a constructor of Python code or a reducer, so a doctored file can at worst hold a wrong model. The
objects of river's compiled code give their state as bytes and take it back.
"""

from __future__ import annotations

import collections
import functools
import importlib
import math
import random
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from river.utils import VectorDict

from tocsin.models.experts.base import SnapshotError

_COMPILED = "river._river_rust."
_CONTAINERS: dict[str, Callable[[], Any]] = {
    "dict": dict,
    "OrderedDict": collections.OrderedDict,
    "Counter": collections.Counter,
    "list": list,
    "set": set,
    "deque": collections.deque,
}


_PLAIN = (
    *(int, float, bool, str, dict, list, set, tuple),
    *(collections.OrderedDict, collections.Counter, collections.defaultdict, collections.deque),
)
"""Classes outside river that an attribute may name, as the factory of missing values for example."""
_PLAIN_NAMES = {f"{kind.__module__}:{kind.__qualname__}": kind for kind in _PLAIN}


_FUNCTIONS = ("river.naive_bayes.gaussian:GaussianNB._make_gaussian",)
"""Functions that an attribute may name: each makes an object and does nothing else."""


class _Writer:
    """Numbers the objects of a graph and describes each."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self._generator = random.Random(0)
        self._numbers: dict[int, int] = {}
        self._queue: collections.deque[tuple[int, Any]] = collections.deque()
        self._alive: list[Any] = []

    def write(self, root: Any) -> list[Any]:
        self.reference(root)
        while self._queue:
            number, value = self._queue.popleft()
            self.nodes[number] = self._describe(value)
        return self.nodes

    def reference(self, value: Any) -> Any:
        """A scalar as itself, anything else as [number]."""
        if value is None or isinstance(value, bool | str):
            return value
        if type(value) is int:
            return value if abs(value) < 2**53 else {"int": str(value)}
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"float": repr(float(value))}
        if isinstance(value, np.generic):
            return {"scalar": [value.dtype.str, self.reference(value.item())]}
        known = self._numbers.get(id(value))
        if known is None:
            known = self._numbers[id(value)] = len(self.nodes)
            self.nodes.append(None)
            self._alive.append(value)
            self._queue.append((known, value))
        return [known]

    def _describe(self, value: Any) -> Any:
        kind = type(value)
        if isinstance(value, np.ndarray) and value.dtype.kind in "biufU":
            return {
                "array": [
                    value.dtype.str,
                    list(value.shape),
                    [self.reference(v) for v in value.ravel().tolist()],
                ]
            }
        if isinstance(value, type):
            if value in _PLAIN:
                return {"class": f"{value.__module__}:{value.__qualname__}"}
            return {"class": self._class_name(value)}
        if isinstance(value, types.FunctionType) and (name := f"{value.__module__}:{value.__qualname__}") in _FUNCTIONS:
            return {"function": name}
        if isinstance(value, random.Random):
            return {"random": self.reference(value.getstate())}
        if isinstance(value, functools.partial):
            return {"partial": [self.reference(v) for v in (value.func, value.args, value.keywords)]}
        if kind is tuple:
            return {"tuple": [self.reference(v) for v in value]}
        if kind is collections.defaultdict:
            return {"defaultdict": [self.reference(value.default_factory), self._pairs(value)]}
        if kind.__name__ in _CONTAINERS and kind is type(_CONTAINERS[kind.__name__]()):
            if isinstance(value, dict):
                return {kind.__name__: self._pairs(value)}
            extra = [value.maxlen] if isinstance(value, collections.deque) else []
            # The order of a set is that of its history and of the process: only its members are state.
            items = sorted(value, key=repr) if kind is set else value
            return {kind.__name__: [self.reference(v) for v in items], "extra": extra}
        if kind is VectorDict:
            return {"vector": self._vector(value)}
        if kind.__module__.startswith(_COMPILED):
            return {"compiled": self._compiled(value)}
        if isinstance(value, collections.UserDict) and kind.__module__.startswith("river."):
            return {"object": self._class_name(kind), "state": self._pairs(vars(value))}
        if isinstance(value, dict | list | tuple | set | frozenset | collections.deque):
            # Its items are no attributes: they would be lost.
            raise SnapshotError(f"an object of {self._class_name(kind)} cannot be written as arrays: it is a container")
        return {"object": self._class_name(kind), "state": self._pairs(self._attributes(value))}

    def _vector(self, vector: Any) -> list[Any]:
        _, (items, factory, mask, _) = vector.__reduce__()
        if mask is not None:
            raise SnapshotError("a VectorDict under a mask cannot be written as arrays")
        return [self._pairs(items), self.reference(factory)]

    def _compiled(self, value: Any) -> list[Any]:
        """Class, arguments and state of an object of compiled code, which gives its state as bytes."""
        name, state = self._class_name(type(value)), value.__getstate__()
        if not isinstance(state, bytes):
            raise SnapshotError(f"{name} keeps its state in compiled code")
        arguments = value.__getnewargs__() if hasattr(value, "__getnewargs__") else ()
        return [name, [self.reference(v) for v in arguments], state.hex()]

    def _pairs(self, mapping: Any) -> list[Any]:
        return [[self.reference(k), self.reference(v)] for k, v in mapping.items()]

    @staticmethod
    def _class_name(kind: type) -> str:
        name = f"{kind.__module__}:{kind.__qualname__}"
        if not kind.__module__.startswith("river."):
            raise SnapshotError(f"an object of {name} cannot be written as arrays: only river's own can")
        return name

    def _attributes(self, value: Any) -> dict[str, Any]:
        state = dict(getattr(value, "__dict__", {}))
        slots = [s for k in type(value).__mro__ for s in getattr(k, "__slots__", ())]
        state |= {s: getattr(value, s) for s in slots if s not in ("__dict__", "__weakref__") and hasattr(value, s)}
        if type(value).__module__.startswith("river.proba.") and state.get("seed", 0) is None:
            # A distribution's own generator serves only to draw samples, which no model does: unseeded, it is no state.
            state |= {name: self._generator for name, part in state.items() if isinstance(part, random.Random)}
        own = {"__reduce__", "__reduce_ex__", "__getstate__"}
        if not state and any(own & vars(k).keys() for k in type(value).__mro__ if k is not object):
            raise SnapshotError(f"{type(value).__module__}.{type(value).__qualname__} keeps its state in compiled code")
        return state


class _Reader:
    """Makes the objects first, then fills them, so that cycles and depth are no matter."""

    def __init__(self, nodes: list[Any]) -> None:
        self._nodes = nodes
        self._made: dict[int, Any] = {}

    def read(self) -> Any:
        # Tuples and arrays cannot be filled afterwards: they are made when first referred to; those chains are short.
        for number in range(len(self._nodes)):
            self._make(number)
        for number, node in enumerate(self._nodes):
            self._fill(self._made[number], node)
        return self._made[0]

    def value(self, reference: Any) -> Any:
        if isinstance(reference, list):
            return self._make(reference[0])
        if isinstance(reference, dict):
            if "int" in reference:
                return int(reference["int"])
            if "float" in reference:
                return float(reference["float"])
            kind, item = reference["scalar"]
            return np.dtype(kind).type(self.value(item))
        return reference

    def _make(self, number: int) -> Any:
        if number not in self._made:
            self._made[number] = self._blank(self._nodes[number])
        return self._made[number]

    def _blank(self, node: dict[str, Any]) -> Any:
        if "array" in node:
            kind, shape, values = node["array"]
            return np.array([self.value(v) for v in values], np.dtype(kind)).reshape(shape)
        if "class" in node:
            return _class(node["class"])
        if "function" in node:
            if node["function"] not in _FUNCTIONS:
                raise SnapshotError(f"the snapshot names {node['function']}, which it may not")
            owner, _, name = node["function"].rpartition(".")
            return getattr(_class(owner), name)
        if "random" in node:
            generator = random.Random()
            generator.setstate(self.value(node["random"]))
            return generator
        if "partial" in node:
            func, args, keywords = node["partial"]
            made = functools.partial(self.value(func), *self.value(args))
            made.keywords.update((self.value(k), self.value(v)) for k, v in self._nodes[keywords[0]]["dict"])
            return made
        if "tuple" in node:
            return tuple(self.value(v) for v in node["tuple"])
        if "defaultdict" in node:
            return collections.defaultdict(self.value(node["defaultdict"][0]))
        if "vector" in node:
            items, factory = node["vector"]
            return VectorDict({self.value(k): self.value(v) for k, v in items}, self.value(factory))
        if "compiled" in node:
            return self._compiled(*node["compiled"])
        if "object" in node:
            kind = _class(node["object"])
            return kind.__new__(kind)
        name = next(iter(node))
        if name == "deque":
            return collections.deque(maxlen=node["extra"][0])
        return _CONTAINERS[name]()

    def _compiled(self, name: str, arguments: list[Any], state: str) -> Any:
        kind = _class(name)
        if not kind.__module__.startswith(_COMPILED):
            raise SnapshotError(f"the snapshot names {name}, which is not compiled")
        made = kind.__new__(kind, *(self.value(v) for v in arguments))
        try:
            made.__setstate__(bytes.fromhex(state))
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # Rust's, which is no Exception
                raise
            raise SnapshotError(f"the snapshot's state of {name} is damaged") from error
        return made

    def _fill(self, made: Any, node: dict[str, Any]) -> None:
        if "object" in node:
            for name, value in node["state"]:
                object.__setattr__(made, name, self.value(value))
        elif "defaultdict" in node:
            made.update((self.value(k), self.value(v)) for k, v in node["defaultdict"][1])
        elif (name := next(iter(node))) in ("list", "deque"):
            made.extend(self.value(v) for v in node[name])
        elif name == "set":
            made.update(self.value(v) for v in node[name])
        elif name in _CONTAINERS:
            for k, v in node[name]:
                made[self.value(k)] = self.value(v)


def _class(name: str) -> Any:
    module, _, path = name.partition(":")
    if name in _PLAIN_NAMES:
        return _PLAIN_NAMES[name]
    if not module.startswith("river."):
        raise SnapshotError(f"the snapshot names {name}, which is not river's")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    if not isinstance(found, type):
        raise SnapshotError(f"the snapshot names {name}, which is not a class")
    if not found.__module__.startswith("river."):
        # River's modules import others, whose classes are within reach of a path: pathlib's, for example.
        raise SnapshotError(f"the snapshot names {name}, which is not river's")
    return found


def write(model: Any) -> NDArray[np.uint8]:
    """A river model as bytes. Raises SnapshotError where a part keeps its state in compiled code."""
    return np.frombuffer(orjson.dumps(_Writer().write(model)), np.uint8)


def read(data: NDArray[np.uint8]) -> Any:
    """The model that `write` described. Raises SnapshotError."""
    try:
        return _Reader(orjson.loads(data.tobytes())).read()
    except (LookupError, TypeError, ValueError, AttributeError, ImportError, StopIteration, RecursionError) as error:
        raise SnapshotError(f"the snapshot of a river model does not read: {error}") from error
