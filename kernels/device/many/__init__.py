"""Events of many models in one call: each is scored by the trees and the router of its own pool.

A deployment with a model a tenant has thousands of small models, and a batch with a few events of each. A call a model
then costs more than what is computed in it. Here all models lie one after another in a few flat arrays (`packed`), each
with its own numbers of features, trees, classes and hidden units. One call scores events of all of them (`scoring`): by
functions of PyTorch (`torch_tensors`), or by one launch of a Triton kernel (`triton_kernel`).

`tocsin.kernels.score.score` of each model alone says the same to 1e-9, and tests hold the two together.
"""
