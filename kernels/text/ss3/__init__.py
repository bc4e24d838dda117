"""What words and n-grams are worth to each class (SS3, t-SS3), and from that what a text is worth."""
