"""The nearest of a window's events on PyTorch tensors: plainly, and by a Triton kernel.

The distances are those of `tocsin.kernels.experts.neighbours`, summed up over the columns in the same order, so that
the same events are at the same distance, and of these the later one is nearer here, too.
"""
