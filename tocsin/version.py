"""The version of Tocsin, in a module that imports nothing, so that every other one can import it."""

__version__ = "0.2.0"
