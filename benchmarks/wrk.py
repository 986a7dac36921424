"""The load: wrk, and what it reports."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from shutil import which

INSTALL_HINT = "apt install wrk (Debian, Ubuntu), brew install wrk (macOS)"

_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1_000.0, "m": 60_000.0, "h": 3_600_000.0}


class LoadFailedError(Exception):
    """The load did not run, or not all of its requests were answered as they should be."""


@dataclass(frozen=True)
class Measurement:
    """What one run of the load found.

    Attributes:
        requests_per_second: Answered, on average over the run.
        p50_ms: Median time from request to answer, in milliseconds.
        p99_ms: The time that one answer of a hundred exceeded, in milliseconds.
        requests: How many were answered.
        errors: How many were not, or not with a 2xx or 3xx status.
        cpu_ms: CPU time of the server per answer, in milliseconds; None where it is not known. It
            tells what an answer costs even where something else took a part of the server's core,
            or where the load was the slower side.
    """

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    requests: int
    errors: int
    cpu_ms: float | None = None


def is_installed() -> bool:
    """Whether wrk can be run."""
    return which("wrk") is not None


def run(
    url: str, *, connections: int, seconds: int, body_bytes: int = 0, pause_ms: int = 0
) -> Measurement:
    """Load a URL from one thread for some seconds.

    Args:
        url: What is asked.
        connections: By how many at once.
        seconds: For how long.
        body_bytes: As many are sent with each request, which is then a POST.
        pause_ms: How long each waits between an answer and its next request, at most.

    Raises:
        LoadFailedError: wrk failed, or a request was answered with an error, or none at all was.
    """
    command = ["wrk", "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{seconds}s", "--timeout", "10s", "--latency"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        if lines := script(body_bytes=body_bytes, pause_ms=pause_ms):
            file.write(lines)
            file.flush()
            command += ["--script", file.name]
        try:
            done = subprocess.run(
                [*command, url],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds + 30,
            )
        except subprocess.TimeoutExpired as error:
            raise LoadFailedError(f"wrk on {url} did not end") from error
    if done.returncode != 0:
        raise LoadFailedError(f"wrk on {url} failed: {(done.stderr or done.stdout).strip()}")
    measurement = parse(done.stdout)
    if not measurement.requests:
        raise LoadFailedError(f"no request to {url} was answered:\n{done.stdout}")
    if measurement.errors:
        raise LoadFailedError(f"{measurement.errors} requests to {url} failed:\n{done.stdout}")
    return measurement


def script(*, body_bytes: int, pause_ms: int) -> str:
    """What wrk is to do otherwise than by itself, in Lua; empty: nothing."""
    lines = []
    if body_bytes:
        lines += [
            'wrk.method = "POST"',
            'wrk.headers["Content-Type"] = "application/octet-stream"',
            f'wrk.body = string.rep("x", {body_bytes})',
        ]
    if pause_ms:
        # Not always as long, so that no client falls into step with the work it is to look at.
        lines.append(f"function delay() return math.random(0, {pause_ms}) end")
    return "".join(f"{line}\n" for line in lines)


def parse(report: str) -> Measurement:
    """Read what `wrk --latency` prints.

    Raises:
        LoadFailedError: It is not such a report.
    """
    errors = 0
    if socket_errors := re.search(r"Socket errors: (.*)", report):
        errors += sum(int(count) for count in re.findall(r"\d+", socket_errors[1]))
    if refused := re.search(r"Non-2xx or 3xx responses: (\d+)", report):
        errors += int(refused[1])
    return Measurement(
        requests_per_second=float(_find(r"Requests/sec:\s+([\d.]+)", report)[1]),
        p50_ms=_percentile(50, report),
        p99_ms=_percentile(99, report),
        requests=int(_find(r"(\d+) requests in ", report)[1]),
        errors=errors,
    )


def _percentile(percent: int, report: str) -> float:
    found = _find(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m|h)\s*$", report)
    return float(found[1]) * _MILLISECONDS[found[2]]


def _find(pattern: str, report: str) -> re.Match[str]:
    found = re.search(pattern, report, re.MULTILINE)
    if found is None:
        raise LoadFailedError(f"not a report of wrk, without {pattern}:\n{report}")
    return found
