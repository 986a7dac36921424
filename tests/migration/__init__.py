"""The walk of docs/migrate.md: a shop on Flask, its successor on FastAPI, and every step."""
