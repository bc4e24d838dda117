"""Verify: past decisions are made again from the logs and compared with their records, and their chain is checked."""
