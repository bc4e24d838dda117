"""What decisions are proved by: their chain, and the configs that made them."""
