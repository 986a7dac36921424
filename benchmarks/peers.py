"""Who is compared with whom, on which requests. A new peer, row or bar is one more entry here."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import Literal

FASTAPI_SERVICE = "services.fastapi_service:create_app"
FASTAPI_WITH_PACKAGES = "benchmarks.packages_app:create_app"
FLASK_SERVICE = "services.flask_service:create_app"
FLASK_APP = "benchmarks.flask_app:app"
EMPTY_APP = "benchmarks.asgi_apps:empty"
# As many as a mount has by default, so that both sides bring the same number to the same work.
THREADS = 10
MEBIBYTE = 1024 * 1024

Figure = Literal["throughput", "CPU", "p50", "p99", "background"]


@dataclass(frozen=True)
class Row:
    """A request that every peer of a comparison answers alike.

    Attributes:
        path: Below the peer's prefix.
        connections: How many clients ask it at once.
        body_bytes: As many are sent with a POST; none: a GET.
        pause_ms: How long a client waits after an answer, at most; half of it on average. None: it
            asks again at once.
    """

    path: str
    connections: int = 32
    body_bytes: int = 0
    pause_ms: int = 0

    def __str__(self) -> str:
        method = "POST" if self.body_bytes else "GET"
        clients = f"{self.connections} connection{'s' if self.connections > 1 else ''}"
        pauses = ", with pauses" if self.pause_ms else ""
        return f"{method} {self.path}, {clients}{pauses}"


@dataclass(frozen=True)
class Peer:
    """A server to be measured.

    Attributes:
        name: In the tables.
        command: Its program and arguments; `{port}` stands for the port to listen on.
        prefix: Where it serves the application: empty, or `/flask`.
        background: What it is asked all the while that it is measured.
        stream: The path of an event stream that somebody reads all the while; empty: none.
    """

    name: str
    command: tuple[str, ...]
    prefix: str = ""
    background: Row | None = None
    stream: str = ""

    def command_on(self, port: int) -> list[str]:
        """The command line that serves on a port."""
        return [word.replace("{port}", str(port)) for word in self.command]


@dataclass(frozen=True)
class Bar:
    """What is asked of a ratio: throughput is to be at least as much, all else at most.

    Attributes:
        baseline: The name of the peer that the ratio is to.
        figure: Of which figure. `background`: the throughput of the peers' background.
        bound: The bar; None: there is only an aim.
        aim: What would be better still.
        rows: In which rows it is asked; none: in all.
    """

    baseline: str
    figure: Figure
    bound: float | None
    aim: float | None = None
    rows: tuple[Row, ...] = ()

    @property
    def is_least(self) -> bool:
        """Whether more is better."""
        return self.figure in ("throughput", "background")

    def holds(self, value: float, bound: float) -> bool:
        """Whether a ratio is on the better side of a bound, by the ratio itself."""
        return value >= bound if self.is_least else value <= bound


@dataclass(frozen=True)
class Limit:
    """The CPU time per answer that no adapter can beat, and how near the contender is to come.

    It is what an empty answer costs the server, plus what the Flask call costs by itself.

    Attributes:
        peer: The server with an empty application.
        row: What it is asked, and what the Flask application is called with.
        at_most: The bar, as a ratio.
        aim: What would be better still.
    """

    peer: Peer
    row: Row
    at_most: float
    aim: float


@dataclass(frozen=True)
class Comparison:
    """Peers that serve one application.

    Attributes:
        name: In the tables, and for `--only`.
        contender: Who is compared.
        baselines: With whom.
        rows: The requests.
        bars: What is asked of the ratios, in every row.
        times: How many times as long a row is loaded as in the other comparisons.
        turns: How often each peer is loaded with a row in a round, one after the other; what counts
            is the median. For figures that differ much between two measurements of the same.
        one_server: Whether the peers are prefixes of one server, which is started once: what two
            processes of the same differ by can be as much as what is asked for.
        limit: What the contender's CPU time per answer to `limit.row` is compared with.
        p99_aim_ms: What the contender's p99 is to stay within, whatever the others do.
        access_logs: Whether all peers write theirs, each into a file.
    """

    name: str
    contender: Peer
    baselines: tuple[Peer, ...]
    rows: tuple[Row, ...]
    bars: tuple[Bar, ...] = ()
    times: int = 1
    turns: int = 1
    one_server: bool = False
    limit: Limit | None = None
    p99_aim_ms: float | None = None
    access_logs: bool = False

    @property
    def peers(self) -> tuple[Peer, ...]:
        """All that are measured, in the order of a round."""
        return (*self.baselines, self.contender)

    def bars_of(self, baseline: Peer, row: Row) -> tuple[Bar, ...]:
        """What is asked of the contender beside one of the baselines in one of the rows."""
        return tuple(
            bar
            for bar in self.bars
            if bar.baseline == baseline.name and (not bar.rows or row in bar.rows)
        )


def gateway(config: str, name: str = "gateway", prefix: str = "") -> Peer:
    """The gateway with one of the configurations beside this module."""
    command = (
        *(sys.executable, "-m", "gateway", "serve", "--config", f"benchmarks/{config}"),
        *("--port", "{port}"),
    )
    return Peer(name, command, prefix)


def uvicorn(name: str, app: str, *options: str, access_log: bool = False) -> Peer:
    """Bare uvicorn, on what the gateway runs on too."""
    # Its own format and level; like all output of a peer it goes into a file.
    logs = () if access_log else ("--no-access-log", "--log-level", "warning")
    command = (
        *(sys.executable, "-m", "uvicorn", app, *options, "--loop", "uvloop"),
        *("--http", "httptools", *logs, "--port", "{port}"),
    )
    return Peer(name, command)


def uvicorn_with_log(name: str, app: str) -> Peer:
    """Uvicorn with its access log, for a factory of an application with a lifespan."""
    return uvicorn(name, app, "--factory", "--lifespan", "on", access_log=True)


def gunicorn(app: str) -> Peer:
    """Gunicorn with threads, as Flask teams run it; without an access log, which is its default."""
    command = (
        *(sys.executable, "-m", "gunicorn", app),
        *("--worker-class", "gthread", "--workers", "1", "--threads", str(THREADS)),
        *("--no-control-socket", "--log-level", "warning", "--bind", "127.0.0.1:{port}"),
    )
    return Peer("gunicorn", command)


GRANIAN = Peer(
    "granian",
    (
        *(sys.executable, "-m", "granian", FLASK_APP, "--interface", "wsgi", "--workers", "1"),
        *("--blocking-threads", str(THREADS), "--no-log", "--port", "{port}"),
    ),
)
GUNICORN = gunicorn(FLASK_APP)
SERVICES = gateway("gateway.toml", prefix="/fastapi")
BRIDGE = gateway("bridge.toml")
A2WSGI = gateway("a2wsgi.toml", "a2wsgi")

_LEGACY = gateway("switch.toml", "legacy", "/legacy")
_SHADOW = gateway("switch.toml", "shadow", "/shadow")

_COMPUTING = Row("/compute", connections=16)
_SLEEPING = Row("/sleep")
_SMALL = Row("/json")
# With pauses, both sides are asked about as often, so that whoever answers sooner does not have
# more to do. Without, the one client takes all of the server that it can get.
_PROBE = Row("/api/ping", connections=1, pause_ms=20)
_PROBES = (_PROBE, replace(_PROBE, pause_ms=0))


def _with_shadows(path: str) -> Row:
    """As many clients as a server has that is busy and not overloaded."""
    return Row(path, connections=16, pause_ms=40)


# What costs a share of the process whatever is done; it is shown, and nothing is asked of it.
_SHADOW_COMPUTES = _with_shadows("/computes")
_SHADOWED = tuple(
    _with_shadows(path) for path in ("/small", "/sleeps", "/raises", "/hangs", "/large", "/cookies")
)

COMPARISONS = (
    Comparison(
        "fastapi",
        contender=SERVICES,
        baselines=(uvicorn("uvicorn", FASTAPI_SERVICE, "--factory", "--lifespan", "on"),),
        rows=(Row("/"), Row("/items/1")),
        bars=(Bar("uvicorn", "throughput", 0.90),),
    ),
    Comparison(
        "edge",
        contender=gateway("edge.toml", prefix="/fastapi"),
        baselines=(
            uvicorn_with_log("uvicorn", FASTAPI_SERVICE),
            uvicorn_with_log("packages", FASTAPI_WITH_PACKAGES),
        ),
        rows=(Row("/"), Row("/items/1")),
        bars=(Bar("uvicorn", "throughput", 0.85), Bar("packages", "throughput", 1.0)),
        access_logs=True,
    ),
    Comparison(
        "flask",
        contender=gateway("gateway.toml", prefix="/flask"),
        baselines=(gunicorn(f"{FLASK_SERVICE}()"),),
        rows=(Row("/hello"), Row("/items/1")),
    ),
    Comparison(
        "bridge",
        contender=BRIDGE,
        baselines=(A2WSGI, GUNICORN, GRANIAN),
        rows=(_SMALL,),
        bars=(
            Bar("a2wsgi", "throughput", 2.5, aim=3.0),
            Bar("a2wsgi", "p99", 1.0),
            Bar("gunicorn", "throughput", 1.6, aim=2.0),
            Bar("granian", "throughput", 0.75, aim=1.0),
            Bar("granian", "p99", None, aim=1.0),
        ),
        limit=Limit(
            uvicorn("empty", EMPTY_APP, "--lifespan", "off"), _SMALL, at_most=1.35, aim=1.15
        ),
    ),
    Comparison(
        "blocking",
        contender=BRIDGE,
        baselines=(GUNICORN,),
        rows=(_SLEEPING,),
        # The same p99: what wrk tells of the same server differs by as much from run to run.
        bars=(Bar("gunicorn", "throughput", 1.0), Bar("gunicorn", "p99", 1.05)),
    ),
    Comparison(
        "streaming",
        contender=BRIDGE,
        baselines=(A2WSGI, GUNICORN),
        rows=(
            Row("/stream"),
            Row("/file", connections=8),
            Row("/upload", connections=8, body_bytes=MEBIBYTE),
        ),
        bars=(Bar("a2wsgi", "throughput", 1.0), Bar("gunicorn", "throughput", 1.0)),
    ),
    Comparison(
        "beside",
        contender=replace(BRIDGE, background=_COMPUTING),
        baselines=(replace(A2WSGI, background=_COMPUTING),),
        rows=_PROBES,
        bars=(
            Bar("a2wsgi", "p99", 1 / 8),
            Bar("a2wsgi", "background", 1.0, rows=(_PROBE,)),
        ),
        # One client that pauses asks so seldom that a 99th percentile needs the time.
        times=2,
        p99_aim_ms=2.5,
    ),
    Comparison(
        "full",
        contender=replace(BRIDGE, name="gateway, full", background=_SLEEPING),
        baselines=(replace(BRIDGE, name="gateway, idle"),),
        rows=_PROBES,
        bars=(Bar("gateway, idle", "p99", 1.5, aim=1.1),),
    ),
    Comparison(
        "portal",
        contender=replace(SERVICES, name="portal open", stream="/_gateway/api/overview/stream"),
        baselines=(replace(SERVICES, name="portal closed"),),
        rows=(Row("/"),),
        bars=(Bar("portal closed", "throughput", 0.97),),
        # An event comes every two seconds.
        times=2,
    ),
    Comparison(
        "switch-legacy",
        contender=_LEGACY,
        baselines=(gateway("switch.toml", "mount", "/plain-legacy"),),
        rows=(Row("/small"),),
        bars=(Bar("mount", "throughput", 0.95),),
        turns=15,
        one_server=True,
    ),
    Comparison(
        "switch-candidate",
        contender=gateway("switch.toml", "candidate", "/candidate"),
        baselines=(gateway("switch.toml", "mount", "/plain-candidate"),),
        rows=(Row("/small"),),
        bars=(Bar("mount", "throughput", 0.95),),
        turns=15,
        one_server=True,
    ),
    Comparison(
        "shadow",
        contender=_SHADOW,
        baselines=(_LEGACY,),
        rows=(*_SHADOWED, _SHADOW_COMPUTES),
        bars=(Bar("legacy", "p99", 1.1, rows=_SHADOWED),),
        turns=4,
    ),
    Comparison(
        "shadow-gone",
        contender=gateway("switch.toml", "shadow of nobody", "/nobody"),
        baselines=(_LEGACY,),
        rows=(_with_shadows("/gone"),),
        bars=(Bar("legacy", "p99", 1.1),),
        turns=4,
    ),
    # What two measurements of the same differ by.
    Comparison(
        "shadow-noise",
        contender=replace(_LEGACY, name="legacy again"),
        baselines=(_LEGACY,),
        rows=(_with_shadows("/small"),),
        turns=4,
    ),
)
