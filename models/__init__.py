"""What: experts, router, evidence, abstention. Compatible with river; knows no Kafka."""
