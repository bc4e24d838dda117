"""Commands that write control records into the feedback."""
