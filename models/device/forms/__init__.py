"""The experts, routers and distances of a model as tensors: what each copies, and what it answers from that."""
