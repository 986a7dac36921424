"""The two reference services: one catalogue, served by Flask and by FastAPI."""
