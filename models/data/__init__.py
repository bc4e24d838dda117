"""What models are fed with: batches of events, standardised features, labels, snapshots."""
