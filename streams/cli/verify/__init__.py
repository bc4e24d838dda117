"""`tocsin replay --verify`: its options, and how its report is printed."""
