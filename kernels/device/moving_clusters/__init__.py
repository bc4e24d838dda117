"""Moving clusters on PyTorch tensors; a Triton kernel goes over the columns where Triton runs."""
