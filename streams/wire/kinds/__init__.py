"""Records of kinds that nothing but their own readers need."""
