"""Commands about a shadow."""
