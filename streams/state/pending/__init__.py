"""Pending events: the entries, how many there are, and those that earlier versions kept."""
