"""A tea shop: what its Flask application and its FastAPI one have in common."""
