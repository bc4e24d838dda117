"""Reading: a source as flat rows of past events, within bounds."""
