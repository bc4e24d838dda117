"""Bootstrap: labelled history becomes feedback, so that a service starts with what is known."""
