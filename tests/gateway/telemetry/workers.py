"""Workers to ask, and what listens in their place."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from gateway.telemetry.group import WorkerGroup


@asynccontextmanager
async def worker(folder: Path | None, **answers: Callable[..., Any]) -> AsyncIterator[WorkerGroup]:
    """This process as a worker."""
    group = WorkerGroup(folder)
    task = asyncio.create_task(group.keep(answers))
    await until_it_listens(folder)
    try:
        yield group
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until_it_listens(folder: Path | None) -> None:
    """Until this process' socket takes connections."""
    for _ in range(10_000):
        await asyncio.sleep(0.001)
        if folder is None:
            return
        try:
            _, writer = await asyncio.open_unix_connection(folder / f"{os.getpid()}.sock")
        except OSError:
            continue
        writer.close()
        return


def names(folder: Path) -> set[str]:
    """The files in a folder, without their endings."""
    return {path.stem for path in folder.iterdir()}


def serve(folder: Path, ready: Any) -> None:
    """Another worker, in a process of its own."""

    async def answer() -> None:
        group = WorkerGroup(folder)
        answers: dict[str, Callable[..., Any]] = {
            "who": lambda: {"pid": os.getpid()},
            "add": lambda a, b: a + b,
            "big": big,
        }
        keeping = asyncio.create_task(group.keep(answers))
        await until_it_listens(folder)
        ready.set()
        await keeping

    asyncio.run(answer())


def big() -> list[str]:
    """More than one piece of it fits a socket's buffer."""
    return ["x" * 1000] * 3000


@contextmanager
def another(folder: Path) -> Iterator[multiprocessing.process.BaseProcess]:
    """A worker in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=serve, args=(folder, ready), daemon=True)
    process.start()
    try:
        assert ready.wait(30)
        yield process
    finally:
        process.kill()
        process.join(10)


@contextmanager
def listener(path: Path, act: Callable[[socket.socket], None]) -> Iterator[None]:
    """Something that listens at a worker's address and does with connections what it likes."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def run() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    try:
                        connection.recv(65536)  # the question
                        act(connection)
                    except OSError:
                        continue

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
