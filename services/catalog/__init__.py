"""The catalogue: a small domain that knows nothing of Flask, FastAPI or HTTP."""
