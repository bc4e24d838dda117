"""The routers: how far each expert is trusted, and what becomes of ill experts."""
