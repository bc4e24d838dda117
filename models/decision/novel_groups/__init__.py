"""Novel events that are alike, as groups, of which a person can say at once whether each is a new class."""
