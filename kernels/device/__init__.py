"""Scoring on PyTorch tensors, on a CUDA device or on the CPU: copies of a model's arrays, and functions of them.

Everything here imports PyTorch, which takes seconds. So nothing that a service imports at its start imports it, unless
`kernels.device` asks for it. No compiled kernel depends on these files (`tocsin.kernels.common.cache`).
"""
