"""How decisions stand whose labels have come, over the last hour."""
