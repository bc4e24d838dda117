"""The kernels of single kinds of experts."""
