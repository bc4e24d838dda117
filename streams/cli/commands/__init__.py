"""One file for each command of `tocsin`; `tocsin.streams.cli.app` joins them."""
