"""From a text to the hashes of its words: a plain reference, a reader of all Unicode, and a fast one of ASCII."""
