"""The kernels of the routers."""
