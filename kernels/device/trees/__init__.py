"""What trees answer, from flat copies of them as tensors: by plain PyTorch, or by one launch of a Triton kernel."""

from tocsin.kernels.device.trees.answers import ask, events_at_once
from tocsin.kernels.device.trees.tensors import Answers, Shape, Trees
from tocsin.kernels.device.trees.voting import one_vs_rest, single, vote

__all__ = ["Answers", "Shape", "Trees", "ask", "events_at_once", "one_vs_rest", "single", "vote"]
