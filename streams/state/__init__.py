"""What a worker keeps and can rebuild from the logs."""
