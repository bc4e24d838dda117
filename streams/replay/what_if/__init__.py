"""What if: a past range decided again under another config, and how far the decisions would have been others."""
