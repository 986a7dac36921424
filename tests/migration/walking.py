"""Does what docs/migrate.md says: its commands, its files, its steps, in their order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.live.serving import Gateway, environment, serving
from tests.migration.commands import CLIENT

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "migrate.md"
# Where the page has the gateway listen; the walk takes a free port.
ADDRESS = "http://127.0.0.1:8000"
# In an output on the page: anything.
_MORE = "…"


@dataclass(frozen=True)
class Block:
    """Something between fences.

    Attributes:
        kind: What follows the fence: "sh", "toml", "text", "python".
        text: What is between them.
        line: Where on the page it begins.
    """

    kind: str
    text: str
    line: int


@dataclass(frozen=True)
class Step:
    """A section of the page that begins with a number."""

    title: str
    blocks: tuple[Block, ...]


def steps_of(page: str) -> list[Step]:
    """The steps of the page."""
    found: list[Step] = []
    for section in re.finditer(r"^## (\d+\. .*)\n((?:(?!## ).*\n)*)", page, re.MULTILINE):
        before = page[: section.start(2)].count("\n")
        found.append(Step(section[1], tuple(_blocks(section[2], before))))
    return found


def _blocks(text: str, before: int) -> Iterator[Block]:
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(match[1], match[2], before + text[: match.start()].count("\n") + 1)


@dataclass
class Walk:
    """Somebody who follows the page, in a home of their own.

    Attributes:
        home: Their home.
        folder: Where they are.
        gateway: What they have started last.
    """

    home: Path
    folder: Path = ROOT
    gateway: Gateway | None = None
    _variables: dict[str, str] = field(default_factory=dict)
    _server: ExitStack = field(default_factory=ExitStack)
    _running: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        commands = self.home / "bin"
        commands.mkdir()
        address = str(self.home / "commands")
        for name, text in (
            ("gateway", CLIENT.format(python=sys.executable, address=address)),
            ("python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'),
            # The gateway looks every half second, and tells every second; two are for its readers.
            ("sleep", f"#!/bin/sh\nexec {shutil.which('sleep')} 1.5\n"),
        ):
            (commands / name).write_text(text, encoding="utf-8")
            (commands / name).chmod(0o755)
        self._running.enter_context(_commands_at(address))
        self._variables = {
            "HOME": str(self.home),
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
            "GATEWAY_SERVER__PORT": "0",
        }

    @property
    def url(self) -> str:
        """Where what they have started listens."""
        assert self.gateway is not None
        return self.gateway.url

    def take(self, step: Step) -> None:
        """Do what a step says, and see what it shows."""
        printed = ""
        for block in step.blocks:
            match block.kind:
                case "toml" if block.text.startswith("# gateway.toml\n"):
                    (self.folder / "gateway.toml").write_text(block.text, encoding="utf-8")
                case "sh" if block.text == "gateway serve\n":
                    self._serve()
                case "sh":
                    printed = self.run(block.text, f"docs/migrate.md:{block.line}")
                case "text":
                    expect(block, printed)

    def end(self) -> None:
        """Stop what still runs."""
        self._server.close()
        self._running.close()

    def _serve(self) -> None:
        self._server.close()
        self.gateway = self._server.enter_context(
            serving(cwd=self.folder, env=self._variables, port=None)
        )

    def run(self, script: str, where: str = "") -> str:
        """Run commands in a shell; what it exports and where it ends up last.

        Raises:
            AssertionError: One failed.
        """
        if self.gateway is not None:
            script = script.replace(ADDRESS, self.url)
        after = self.home / "after"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f'{script}\n{{ pwd; env -0; }} >"{after}"'],
            cwd=self.folder,
            env=environment(**self._variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        told = f"{where}\n{script}exit code {done.returncode}:\n{done.stdout}"
        assert done.returncode == 0, told
        folder, _, variables = after.read_text(encoding="utf-8").partition("\n")
        self.folder = Path(folder)
        for variable in variables.split("\0"):
            name, _, value = variable.partition("=")
            if name.startswith(("SHOP_", "GATEWAY_")):
                self._variables[name] = value
        return done.stdout


@contextmanager
def _commands_at(address: str) -> Iterator[None]:
    """What runs the `gateway` commands of the shell."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.migration.commands", address],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield
    finally:
        process.terminate()
        process.communicate()


def expect(block: Block, printed: str) -> None:
    """The lines of an output on the page are among those that were printed, in their order.

    White space counts for nothing, and an ellipsis stands for anything.

    Raises:
        AssertionError: One is not.
    """
    lines = iter([_words(line) for line in printed.splitlines()])
    for expected in block.text.splitlines():
        parts = [re.escape(part) for part in _words(expected).split(_MORE)]
        pattern = re.compile(".*".join(parts))
        if not any(pattern.fullmatch(line) for line in lines):
            raise AssertionError(
                f"docs/migrate.md:{block.line} shows {expected!r}; that was not printed:\n{printed}"
            )


def _words(line: str) -> str:
    return " ".join(line.split())
