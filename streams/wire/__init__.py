"""What travels: the records, and how they are decoded and encoded."""
