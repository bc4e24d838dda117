"""What labels of a rare class say: Gaussians of its latest examples, and a vote of experts by log likelihood ratios.

The bounded evidence of a pool loses the ranking of a rare class: an expert that says one in fifty, where the class is
one in five hundred, is drowned by ten that say nothing. Likelihood ratios keep it. All of it is learnt from labels in
their order, for each class whose share of the labels is small (`shares`).

- `state`: the arrays.
- `gaussian`: linear and quadratic discriminants of the latest examples of a class, for several memories.
- `vote`: exponential weights on the log likelihood ratios of all experts, and what is calibrated of their sum.
- `learning`: one event after the other.
"""
