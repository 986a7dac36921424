"""What the other adapters are known not to hold, and why.

Each entry is a strict expectation: an adapter that learns one of these makes a test fail, and the
table in docs/bridge.md changes with it.
"""

from __future__ import annotations

_NO_TERMINATED = "it gives no sign that the input ends by itself, so frameworks read nothing"
_DISCONNECT = "it takes the client's departure for the end of the body"
_HEADERS_EARLY = "it sends the headers when start_response is called"
_BLOCKED = "its thread waits for ever on a queue that nobody empties any more"
_NO_CLEANING = "it passes the application's headers on as they are"
_NO_COUNT = "it does not compare the bytes with Content-Length"
_NO_METHOD = "it does not know of answers without a body"
_ENVIRON = "it builds the environ from decoded names and paths"

A2WSGI = {
    "a chunked upload arrives whole, and the application may read to its end": _NO_TERMINATED,
    "a chunked upload reaches Flask whole": _NO_TERMINATED,
    "an upload that the client breaks off is never taken for a whole one": _DISCONNECT,
    "stalled uploads hold no thread": "a thread is taken before the body has arrived",
    "`readline` and `readlines` do what a file's do, with and without a limit": (
        "its input is not a file"
    ),
    "`exc_info` before the first byte replaces the answer": _HEADERS_EARLY,
    "`exc_info` after the first byte is raised again": "it ends the answer as if nothing was wrong",
    "headers leave with the first non-empty chunk": _HEADERS_EARLY,
    "an endless answer ends soon after its client has left": "it does not learn of the departure",
    "a cancelled stream lets its thread go": _BLOCKED,
    "a `send` that raises lets the thread go": _BLOCKED,
    "clients that do not read are given up after a deadline, and free their threads": (
        "it has no deadline"
    ),
    "a stream is held back by a client that reads slowly, in bytes": "it counts chunks, not bytes",
    "a status without a reason phrase is accepted": "it splits the status at its space",
    "a line feed in a header is an error before anything is sent": _NO_CLEANING,
    "hop-by-hop headers stay behind": _NO_CLEANING,
    "more bytes than Content-Length says are cut off": _NO_COUNT,
    "fewer bytes than Content-Length says are not passed off as the whole": _NO_COUNT,
    "HEAD, 204 and 304 have no body, and `close` is called all the same": _NO_METHOD,
    "an answer without `start_response` is an error": "it sends a body without a start",
    "`start_response` twice without `exc_info` is an error": "it ignores the second call",
    "`wsgi.file_wrapper` sends a file and closes it": "it offers none",
    "an application that exits ends its own request only": "SystemExit reaches the event loop",
    "a header name with an underscore does not reach the application": _ENVIRON,
    "`Proxy` does not become HTTP_PROXY": _ENVIRON,
    "several Cookie lines are joined by `; `, other headers by a comma": (
        "it joins every header by a comma"
    ),
    "a header that is repeated 40,000 times costs linear time": "it joins them one by one",
    "bytes of a path survive": _ENVIRON,
    "a query string of any bytes is passed on": "it decodes the query as ASCII",
    "an environment variable SCRIPT_NAME is ignored": "it takes the prefix from the environment",
    "`wsgi.errors` is standard error": "it is standard output",
}

ASGIREF = {
    "a chunked upload arrives whole, and the application may read to its end": _NO_TERMINATED,
    "a chunked upload reaches Flask whole": _NO_TERMINATED,
    "an upload that the client breaks off is never taken for a whole one": (
        "it fails on the client's departure with an error of its own"
    ),
    "headers leave with the first non-empty chunk": _HEADERS_EARLY,
    "`close` is called once, in the thread that iterated": "it does not call `close`",
    "`close` is called when the iteration raises": "it does not call `close`",
    "an endless answer ends soon after its client has left": "it does not learn of the departure",
    "a cancelled stream lets its thread go": "all calls share one thread, which goes on",
    "clients that do not read are given up after a deadline, and free their threads": (
        "it has no deadline, and one thread"
    ),
    "a status without a reason phrase is accepted": "it splits the status at its space",
    "a line feed in a header is an error before anything is sent": _NO_CLEANING,
    "hop-by-hop headers stay behind": _NO_CLEANING,
    "fewer bytes than Content-Length says are not passed off as the whole": _NO_COUNT,
    "HEAD, 204 and 304 have no body, and `close` is called all the same": _NO_METHOD,
    "`write` sends, before what is returned": "start_response returns no `write`",
    "`wsgi.file_wrapper` sends a file and closes it": "it offers none",
    "an application that exits ends its own request only": "SystemExit reaches the event loop",
    "a header name with an underscore does not reach the application": _ENVIRON,
    "`Proxy` does not become HTTP_PROXY": _ENVIRON,
    "several Cookie lines are joined by `; `, other headers by a comma": (
        "it joins every header by a comma"
    ),
    "bytes of a path survive": _ENVIRON,
    "a query string of any bytes is passed on": "it decodes the query as ASCII",
    "the ASGI scope and the request's contextvars reach the application": (
        "it keeps no ASGI scope in the environ"
    ),
    "a WebSocket does not crash the adapter": "it raises",
}

KNOWN: dict[str, dict[str, str]] = {"bridge": {}, "a2wsgi": A2WSGI, "asgiref": ASGIREF}
