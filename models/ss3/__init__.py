"""SS3: a text classifier that learns word by word and explains itself."""

from tocsin.models.ss3.model import SS3

__all__ = ["SS3"]
