"""One process that serves Flask and FastAPI side by side behind one front door."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("flask-fastapi-gateway")
