"""The workers of one gateway ask each other, so that each can tell of all.

Each listens on a Unix socket in a folder that is theirs alone. A question is one line of JSON, its
answer is the rest: `{"question": "routes", "arguments": {}}`, then `{"answer": ...}` with the
version of who answers: while one after the other is replaced by a newer one, they do not mix.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from gateway import __version__
from gateway.telemetry.process import is_alive

logger = logging.getLogger("gateway.group")

Answers = Mapping[str, Callable[..., Any]]

ANSWER_SECONDS = 1.0
_LONGEST_QUESTION = 64 * 1024
_LONGEST_ANSWER = 64 * 1024 * 1024
_PIECE = 64 * 1024


class WorkerGroup:
    """The workers, one of which is this process.

    Args:
        folder: Where the sockets are, private to the gateway; None where one process serves alone.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._answers: Answers = {}

    async def keep(self, answers: Answers) -> None:
        """Answer the others' questions, until cancelled.

        Args:
            answers: What is called for each question, by its name; it returns JSON.
        """
        self._answers = answers
        if self._folder is None:
            return
        path = self._folder / f"{os.getpid()}.sock"
        path.unlink(missing_ok=True)  # of an earlier process with this number
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
            try:
                listener.bind(str(path))
            except OSError as error:
                logger.warning("the other workers cannot ask this one: %s: %s", path, error)
                return
            try:
                path.chmod(0o600)  # nobody can connect before it listens
                server = await asyncio.start_unix_server(
                    self._answer, sock=listener, limit=_LONGEST_QUESTION
                )
                async with server:
                    await asyncio.Event().wait()
            finally:
                path.unlink(missing_ok=True)

    async def ask(self, question: str, **arguments: Any) -> list[Any]:
        """Ask all workers at once.

        Args:
            question: Its name.
            arguments: For what answers it; JSON.

        Returns:
            The answers, this worker's own first. Those who are gone, or do not answer in time or in
            their words, are left out.
        """
        line = json.dumps({"question": question, "arguments": arguments}).encode() + b"\n"
        others = await asyncio.gather(*(self._ask(path, line) for path in self._others()))
        found = [answer for its in others for answer in its]
        if question not in self._answers:
            return found
        return [self._answers[question](**arguments), *found]

    def _others(self) -> Iterable[Path]:
        if self._folder is None:
            return []
        own = f"{os.getpid()}.sock"
        return sorted(path for path in self._folder.glob("*.sock") if path.name != own)

    async def _ask(self, path: Path, line: bytes) -> list[Any]:
        """One worker's answer, alone in a list; an empty one where there is none."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                text = await _exchange(path, line)
                # Beside the event loop, as it may be long.
                found = await asyncio.to_thread(json.loads, text)
                return [found["answer"]] if found["version"] == __version__ else []
        except ConnectionRefusedError:
            _forget(path)
        except (OSError, TimeoutError, ValueError, KeyError, TypeError, RecursionError) as error:
            logger.debug("worker %s gives no answer: %r", path.stem, error)
        return []

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one question of another worker."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                asked = json.loads(await reader.readline())
                answer = self._answers[asked["question"]](**asked["arguments"])
                told = {"version": __version__, "answer": answer}
                # Beside the event loop, as it may be long.
                text = await asyncio.to_thread(json.dumps, told)
                writer.write(text.encode())
                await writer.drain()
        except (OSError, TimeoutError) as error:
            logger.debug("another worker left before its answer: %r", error)
        except Exception:
            logger.exception("another worker's question could not be answered")
        finally:
            writer.close()


async def _exchange(path: Path, line: bytes) -> bytes:
    """Send a line; return all that comes for it.

    Raises:
        OSError: Nobody listens.
        ValueError: It is too much.
    """
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(line)
        pieces, size = [], 0
        while piece := await reader.read(_PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > _LONGEST_ANSWER:
                raise ValueError("an answer without end")
        return b"".join(pieces)
    finally:
        writer.close()


def _forget(path: Path) -> None:
    """Remove the socket of a process that is gone; one that begins may not listen yet."""
    if path.stem.isdecimal() and not is_alive(int(path.stem)):
        path.unlink(missing_ok=True)
