"""The keys of subjects, as a worker keeps them."""
