"""Which split of a leaf is best: the candidates of every feature, and what each of them is worth."""
