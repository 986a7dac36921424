"""Runs the cases against one adapter, each in a process of its own.

`python -m tests.bridge.conformance ADAPTER` prints the outcome of each as JSON. A process of its
own, because some adapters lose threads in some of these cases, for good.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from typing import cast

from a2wsgi import WSGIMiddleware
from asgiref.wsgi import WsgiToAsgi
from starlette.types import ASGIApp

from gateway.adapters import RefuseWebSockets
from gateway.bridge import Bridge, BridgeLimits
from tests.bridge.conformance import CASES
from tests.bridge.conformance.cases import Adapt, Case, WSGIApp

SECONDS = 3.0


def _bridge(app: WSGIApp) -> ASGIApp:
    limits = BridgeLimits(threads=2, write_seconds=0.5)
    return RefuseWebSockets(Bridge(app, "conformance", limits), "conformance")


# Two threads where they have them: some cases hold two at once.
ADAPTERS: dict[str, Adapt] = {
    "bridge": _bridge,
    "a2wsgi": lambda app: cast(ASGIApp, WSGIMiddleware(app, workers=2)),
    "asgiref": WsgiToAsgi,
}


async def _outcome(function: Case, adapt: Adapt) -> str:
    try:
        async with asyncio.timeout(SECONDS):
            await function(adapt)
    except TimeoutError:
        return "it did not end in time"
    except Exception as error:  # noqa: BLE001 - each is an outcome
        return f"{type(error).__name__}: {error}".strip()[:200]
    return ""


def _isolated(function: Case, adapt: Adapt) -> str:
    """The outcome of a case in a process of its own, which takes its lost threads with it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        outcome = "the process ended"
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # an adapter may print
        try:
            outcome = asyncio.new_event_loop().run_until_complete(_outcome(function, adapt))
        except BaseException as error:  # noqa: BLE001 - an adapter may let SystemExit through
            outcome = f"{type(error).__name__} reached the event loop"
        finally:
            os.write(writer, outcome.encode() or b"ok")
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        outcome = pipe.read().decode()
    os.waitpid(child, 0)
    return "" if outcome == "ok" else outcome or "the process ended"


def outcomes(adapter: str) -> dict[str, str]:
    """What came of each case; empty for a pass."""
    adapt = ADAPTERS[adapter]
    return {title: _isolated(function, adapt) for title, (_, function) in CASES.items()}


def main(adapter: str) -> None:
    """Print the outcomes as JSON."""
    logging.disable()
    sys.stdout.write(json.dumps(outcomes(adapter)))


if __name__ == "__main__":
    main(sys.argv[1])
