"""What kernels share: how they are compiled, which back end runs, random draws, moments."""
