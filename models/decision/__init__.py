"""From fused belief to a decision: thresholds, costs, novelty, moving class priors."""
