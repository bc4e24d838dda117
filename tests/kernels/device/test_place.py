"""Where tensors live, and what is said where a place is not there."""

from __future__ import annotations

import pytest
import torch

from tocsin.kernels.device.place import DeviceError, place


def test_the_cpu_is_a_place_everywhere() -> None:
    found = place("torch-cpu")
    assert (found.device.type, found.is_cuda, found.free_bytes()) == ("cpu", False, None)
    assert found.title == "PyTorch on the CPU"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:3"])
def test_a_cuda_device_that_is_not_there_is_refused_by_what_was_found(name: str) -> None:
    with pytest.raises(DeviceError, match=rf"kernels\.device is {name}, but PyTorch .* CUDA.*: use cpu, or auto"):
        place(name)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_a_number_beyond_the_devices_is_refused() -> None:
    with pytest.raises(DeviceError, match="this machine has"):
        place(f"cuda:{torch.cuda.device_count()}")
