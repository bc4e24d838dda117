"""Sealing: what quotes an event is enciphered under a key of its subject, so that it can be forgotten later."""
