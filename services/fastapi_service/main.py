"""The entry point for `fastapi run` and uvicorn; building the application does no I/O."""

from services.fastapi_service import create_app

app = create_app()
