"""Reading what wrk prints."""

import pytest

from benchmarks.wrk import LoadFailedError, Measurement, parse, script

REPORT = """\
Running 4s test @ http://127.0.0.1:41033/fastapi/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     7.54ms    1.21ms  31.44ms   95.10%
    Req/Sec     4.26k   208.36     4.51k    82.50%
  Latency Distribution
     50%  850.00us
     75%    7.50ms
     90%    7.91ms
     99%    1.02s
  16960 requests in 4.00s, 2.25MB read
Requests/sec:   4239.07
Transfer/sec:    575.66KB
"""
SOCKET_ERRORS = "  Socket errors: connect 0, read 3, write 1, timeout 2\n"
REFUSED = "  Non-2xx or 3xx responses: 7\n"


def test_a_report_is_read() -> None:
    """All units become milliseconds."""
    assert parse(REPORT) == Measurement(
        requests_per_second=4239.07, p50_ms=0.85, p99_ms=1020.0, requests=16960, errors=0
    )


def test_failed_requests_are_counted() -> None:
    """Those without an answer and those with another status."""
    before = "Requests/sec:"
    assert parse(REPORT.replace(before, SOCKET_ERRORS + before)).errors == 6
    assert parse(REPORT.replace(before, REFUSED + before)).errors == 7
    assert parse(REPORT.replace(before, SOCKET_ERRORS + REFUSED + before)).errors == 13


@pytest.mark.parametrize("report", ["", "unable to connect", REPORT.replace("99%", "98%")])
def test_anything_else_is_refused(report: str) -> None:
    """A figure is never made up for one that is missing."""
    with pytest.raises(LoadFailedError, match="not a report of wrk"):
        parse(report)


def test_wrk_is_told_what_it_does_not_do_by_itself() -> None:
    """Nothing for a plain GET, so that it runs without a script."""
    assert not script(body_bytes=0, pause_ms=0)
    assert script(body_bytes=7, pause_ms=20).splitlines() == [
        'wrk.method = "POST"',
        'wrk.headers["Content-Type"] = "application/octet-stream"',
        'wrk.body = string.rep("x", 7)',
        "function delay() return math.random(0, 20) end",
    ]
