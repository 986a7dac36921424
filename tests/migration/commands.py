"""Runs `gateway` commands in processes of their own that have imported everything already.

The walk gives two dozen commands, and each would spend most of its time on imports.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import traceback
from pathlib import Path

from gateway.cli import main as gateway

# What a shell runs in place of `gateway`: it hands its arguments, folder, variables and outputs on.
CLIENT = """#!{python} -ES
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
wanted = {{"arguments": sys.argv[1:], "folder": os.getcwd(), "variables": dict(os.environ)}}
socket.send_fds(server, [b"."], [1, 2])
server.sendall(json.dumps(wanted).encode())
server.shutdown(socket.SHUT_WR)
sys.exit(int(server.recv(8) or b"1"))
"""


def main() -> None:
    """Serve at the address given, one command at a time, until it is ended."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen()
        gc.freeze()
        print("ready", flush=True)  # noqa: T201
        while True:
            connection, _ = listener.accept()
            with connection:
                if not _serve(connection):
                    return


def _serve(connection: socket.socket) -> bool:
    _, outputs, _, _ = socket.recv_fds(connection, 1, 2)
    if not outputs:
        return False
    request = b"".join(iter(lambda: connection.recv(65536), b""))
    child = os.fork()
    if child == 0:
        _run(outputs, **json.loads(request))
    for output in outputs:
        os.close(output)
    _, status = os.waitpid(child, 0)
    connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    return True


def _run(outputs: list[int], arguments: list[str], folder: str, variables: dict[str, str]) -> None:
    for output, number in zip(outputs, (1, 2), strict=True):
        os.dup2(output, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    # As `gateway` itself is in a folder of commands, and `python -m` would add the current one.
    sys.path[:] = [path for path in sys.path if path and Path(path) != Path.cwd()]
    code: object = 1
    try:
        gateway(arguments, prog_name="gateway")
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # What the parent has imported need not be taken down.
        os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main()
