"""Where tensors live, by the name that a config gives the place."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

TORCH_CPU = "torch-cpu"
"""The name of the CPU as a place of tensors: the same code as on a CUDA device, for machines without one."""


class DeviceError(RuntimeError):
    """A device is not there, does not work, or has not enough memory."""


@dataclass(frozen=True)
class Place:
    """A device for tensors, and what may run there."""

    name: str
    """As a config names it: `torch-cpu`, or `cuda:N`."""
    device: torch.device
    triton: bool
    """Whether Triton's kernels run there, rather than functions of PyTorch: they do on a CUDA device. Tests have them
    interpreted on the CPU, which takes a thousand times as long."""

    @property
    def is_cuda(self) -> bool:
        """Whether it is a CUDA device, with streams, graphs and pinned memory."""
        return self.device.type == "cuda"

    @property
    def title(self) -> str:
        """The place in words, for a log."""
        if not self.is_cuda:
            return "PyTorch on the CPU"
        return f"{self.name} ({torch.cuda.get_device_name(self.device)})"

    def current(self) -> AbstractContextManager[object]:
        """Make it the device on which kernels are launched, for a block."""
        return torch.cuda.device(self.device) if self.is_cuda else nullcontext()

    def free_bytes(self) -> int | None:
        """How much memory is free there; None for the CPU, which is not asked."""
        return torch.cuda.mem_get_info(self.device)[0] if self.is_cuda else None


def place(name: str) -> Place:
    """The place of this name: `torch-cpu`, `cuda` (the first device) or `cuda:N`.

    Raises DeviceError, which says what was found, where there is no such device.
    """
    if name == TORCH_CPU:
        return Place(name, torch.device("cpu"), triton=False)
    number = int(name.partition(":")[2] or 0)
    if not torch.cuda.is_available():
        mend = "use cpu, or auto, or install a driver and a PyTorch that fit each other"
        raise DeviceError(f"kernels.device is {name}, but {_why_none()}: {mend}")
    found = torch.cuda.device_count()
    if number >= found:
        devices = "one CUDA device, cuda:0" if found == 1 else f"{found} CUDA devices, cuda:0 to cuda:{found - 1}"
        raise DeviceError(f"kernels.device is {name}, but this machine has {devices}")
    return Place(f"cuda:{number}", torch.device("cuda", number), triton=True)


def _why_none() -> str:
    """Why PyTorch has no CUDA device here."""
    if torch.version.cuda is None:
        return f"PyTorch {torch.__version__} is built without CUDA"
    try:
        torch.cuda.current_device()
    except RuntimeError as error:  # among others: no driver, or one that is older than PyTorch needs
        return f"PyTorch {torch.__version__} finds no CUDA device ({str(error).splitlines()[0]})"
    return f"PyTorch {torch.__version__} finds no CUDA device"
