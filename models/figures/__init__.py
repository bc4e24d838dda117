"""How good answers are: rankings of a class, counts by class, and what wrong labels leave open."""
