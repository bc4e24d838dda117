"""What is compared to find a class never seen: recent labelled events, and the traffic of the same time."""
