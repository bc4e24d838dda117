"""`python -m tocsin.streams.cli` is the console script `tocsin`."""

from tocsin.streams.cli.app import main

main()
