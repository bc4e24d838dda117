"""Commands that write control records: by them somebody changes what the models of a running service have learnt."""
