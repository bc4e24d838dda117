"""Commands by which somebody changes what the models of a running service have learnt."""
