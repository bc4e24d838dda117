"""Second-order logistic regression as an expert: on the features alone, and on them beside what they were of late."""
