"""The promise of `controls: error`: what keeps it where labels come late, and what says whether it is kept."""
