"""Each service runs alone, with the tool that its users know."""

import re
from pathlib import Path

import httpx
import pytest

from tests.services.servers import run_server

FASTAPI_TOOLS = {
    "fastapi run": ["fastapi", "run", "--host", "127.0.0.1"],
    "uvicorn": ["uvicorn", "services.fastapi_service.main:app"],
    "uvicorn --factory": ["uvicorn", "--factory", "services.fastapi_service:create_app"],
}


def test_flask_run(tmp_path: Path) -> None:
    """`flask run` serves the Flask service, and says at the start who may sign in."""
    settings = {"CATALOG_DATABASE_URL": f"sqlite:///{tmp_path}/catalog.db"}
    command = ["flask", "--app", "services.flask_service", "run"]
    with run_server(command, settings, tmp_path) as url, httpx.Client(base_url=url) as client:
        assert (tmp_path / "log").read_text().count("'demo-password'") == 1
        assert client.get("/hello").text == "Hello, World!"
        login = client.post("/login", data={"username": "demo", "password": "demo-password"})
        assert login.status_code == 200
        assert client.post("/items", json={"name": "Kettle", "price": 1}).status_code == 201
        assert client.get("/export.csv").text.count("\r\n") == 32


@pytest.mark.parametrize("tool", FASTAPI_TOOLS)
def test_fastapi_tools(tmp_path: Path, tool: str) -> None:
    """FastAPI's tools serve the FastAPI service, session and documentation included."""
    settings = {"CATALOG_DATABASE_URL": f"sqlite:///{tmp_path}/catalog.db"}
    with (
        run_server(FASTAPI_TOOLS[tool], settings, tmp_path) as url,
        httpx.Client(base_url=url) as client,
    ):
        assert (tmp_path / "log").read_text().count("'demo-password'") == 1
        assert client.get("/").json() == {"Hello": "World"}
        login = client.post("/login", json={"username": "demo", "password": "demo-password"})
        assert login.status_code == 200
        assert client.post("/items", json={"name": "Kettle", "price": 1}).status_code == 201
        docs = client.get("/docs").text
        for address in re.findall(r'(?:src|href)="([^"]+)"', docs):
            assert client.get(address).status_code == 200
    assert "Traceback" not in (tmp_path / "log").read_text()
