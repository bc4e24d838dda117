"""The kernels between belief and decision."""
