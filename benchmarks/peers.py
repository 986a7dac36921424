"""Who is compared with whom, on which requests. A new peer or row is one more entry here."""

from __future__ import annotations

import sys
from dataclasses import dataclass

FASTAPI_SERVICE = "services.fastapi_service:create_app"
FLASK_SERVICE = "services.flask_service:create_app"
# As many as a mount has by default, so that both sides bring the same number to the same work.
THREADS = 10


@dataclass(frozen=True)
class Peer:
    """A server to be measured.

    Attributes:
        name: In the tables.
        command: Its program and arguments; `{port}` stands for the port to listen on.
        prefix: Where it serves the application: empty, or `/flask`.
    """

    name: str
    command: tuple[str, ...]
    prefix: str = ""

    def command_on(self, port: int) -> list[str]:
        """The command line that serves on a port."""
        return [word.replace("{port}", str(port)) for word in self.command]


@dataclass(frozen=True)
class Row:
    """A request that every peer of a comparison answers alike.

    Attributes:
        path: Below the peer's prefix.
        connections: How many clients ask it at once, without a pause.
    """

    path: str
    connections: int = 32


@dataclass(frozen=True)
class Comparison:
    """Peers that serve one application.

    Attributes:
        name: In the tables, and for `--only`.
        peers: The first is what the others are compared with.
        rows: The requests.
        least_throughput: What the gateway keeps of the first peer's throughput; None: no bar.
    """

    name: str
    peers: tuple[Peer, ...]
    rows: tuple[Row, ...]
    least_throughput: float | None = None

    @property
    def baseline(self) -> Peer:
        """What the others are compared with."""
        return self.peers[0]

    @property
    def contenders(self) -> tuple[Peer, ...]:
        """The others."""
        return self.peers[1:]


def gateway(prefix: str) -> Peer:
    """The gateway, with both services mounted, asked below one of the prefixes."""
    command = (
        *(sys.executable, "-m", "gateway", "serve", "--config", "benchmarks/gateway.toml"),
        *("--port", "{port}"),
    )
    return Peer("gateway", command, prefix)


UVICORN = Peer(
    "uvicorn",
    (
        *(sys.executable, "-m", "uvicorn", "--factory", FASTAPI_SERVICE),
        *("--loop", "uvloop", "--http", "httptools", "--lifespan", "on"),
        *("--no-access-log", "--log-level", "warning", "--port", "{port}"),
    ),
)

# Without an access log, which is Gunicorn's default.
GUNICORN = Peer(
    "gunicorn",
    (
        *(sys.executable, "-m", "gunicorn", f"{FLASK_SERVICE}()"),
        *("--worker-class", "gthread", "--workers", "1", "--threads", str(THREADS)),
        *("--no-control-socket", "--log-level", "warning", "--bind", "127.0.0.1:{port}"),
    ),
)

COMPARISONS = (
    Comparison(
        "fastapi",
        peers=(UVICORN, gateway("/fastapi")),
        rows=(Row("/"), Row("/items/1")),
        least_throughput=0.90,
    ),
    Comparison(
        "flask",
        peers=(GUNICORN, gateway("/flask")),
        rows=(Row("/hello"), Row("/items/1")),
    ),
)
