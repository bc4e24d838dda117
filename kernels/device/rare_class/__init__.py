"""What is said of rare classes on PyTorch tensors; Triton kernels solve the discriminants where Triton runs."""
