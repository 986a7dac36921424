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
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Told:
    """What the workers say to a question.

    Attributes:
        answers: This worker's own first.
        silent: The process numbers of those that live, and listen, and gave no answer.
    """

    answers: list[Any]
    silent: list[int]


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

    async def ask(self, question: str, **arguments: Any) -> Told:
        """Ask all workers at once.

        Args:
            question: Its name.
            arguments: For what answers it; JSON.

        Returns:
            The answers, and who is silent. Those who are gone, begin, or are of another version are
            left out.
        """
        line = json.dumps({"question": question, "arguments": arguments}).encode() + b"\n"
        others = await asyncio.gather(*(self._ask(path, line) for path in self._others()))
        answers = [answer for told in others for answer in told.answers]
        silent = [pid for told in others for pid in told.silent]
        if question in self._answers:
            answers.insert(0, self._answers[question](**arguments))
        return Told(answers, silent)

    def _others(self) -> Iterable[Path]:
        if self._folder is None:
            return []
        own = f"{os.getpid()}.sock"
        return sorted(path for path in self._folder.glob("*.sock") if path.name != own)

    async def _ask(self, path: Path, line: bytes) -> Told:
        """What one worker says."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                text = await _exchange(path, line)
                # Beside the event loop, as it may be long.
                found = await asyncio.to_thread(json.loads, text)
                answers = [found["answer"]] if found["version"] == __version__ else []
                return Told(answers, [])
        except ConnectionRefusedError:
            # Nobody listens there: who hangs still has a queue for connections.
            _forget(path)
            return Told([], [])
        except (OSError, TimeoutError, ValueError, KeyError, TypeError, RecursionError) as error:
            logger.debug("worker %s gives no answer: %r", path.stem, error)
        return Told([], [int(path.stem)] if _is_there(path) else [])

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


def _is_there(path: Path) -> bool:
    """Whether a worker has its socket still; one that ends removes it."""
    return path.stem.isdecimal() and path.exists() and is_alive(int(path.stem))
