"""What may be asked of two mounts, checked, and what becomes of it for each (pure)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote, unquote

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from gateway.config import MountSettings
from gateway.edge.hosts import host_name
from gateway.edge.hygiene import path_fault
from gateway.edge.proxies import names_host

MOST_TIMES = 200
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110, section 9.2.1, less TRACE

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# RFC 9110, section 5.5, in the one encoding that all servers agree about.
_VALUE = re.compile(r"([!-~\x80-\xff]([ \t!-~\x80-\xff]*[!-~\x80-\xff])?)?")
_UNFIT = re.compile(r"[\x00-\x20\x7f#]")
# What is between two neighbours on the way, and what this gateway makes itself of the body.
_OF_THE_CONNECTION = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# Escapes stay as they are; the rest of what a path or a query may hold is RFC 3986's.
_IN_URL = "/?:@!$&'()*+,;=-._~%"


class Unaskable(Exception):
    """It cannot be asked.

    Args:
        faults: Why, each a sentence.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(" ".join(faults))


def _fit_target(target: str) -> str:
    path, _, _ = target.partition("?")
    if path and not path.startswith("/"):
        raise ValueError("it begins with a slash: the path below the mounts' prefixes")
    if _UNFIT.search(target):
        raise ValueError("spaces, control characters and # have to be percent-encoded")
    if fault := path_fault(quote(path, safe=_IN_URL).encode()):
        raise ValueError(fault)
    return target


def _fit_headers(headers: dict[str, str]) -> dict[str, str]:
    seen: set[str] = set()
    for name, value in headers.items():
        lower = name.lower()
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is no header name")
        if lower in seen:
            raise ValueError(f"{name} is there twice, in two spellings")
        if lower in _OF_THE_CONNECTION:
            raise ValueError(f"{name} belongs to a connection, and here is none")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"the value of {name} is not one line of ISO 8859-1 without margins")
        if lower == "host" and not names_host(value):
            raise ValueError(f"{value!r} is no host")
        seen.add(lower)
    return headers


class Question(BaseModel):
    """The body of a request for a comparison."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    method: Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    mounts: tuple[str, str]
    target: Annotated[str, Field(max_length=8192), AfterValidator(_fit_target)] = "/"
    headers: Annotated[dict[str, str], Field(max_length=64), AfterValidator(_fit_headers)] = {}
    body: Annotated[str, Field(max_length=1024 * 1024)] = ""
    times: Annotated[int, Field(ge=1, le=MOST_TIMES)] = 1
    repeat_unsafe: bool = False

    @model_validator(mode="after")
    def _repeats_only_what_may_be(self) -> Question:
        if self.times > 1 and self.method not in SAFE and not self.repeat_unsafe:
            raise ValueError(
                f"{self.method} is not safe to repeat: set repeat_unsafe to have it done "
                f"{self.times} times in each service"
            )
        return self

    def header(self, wanted: str) -> str | None:
        """The value of a header that it names; None where it names none."""
        return next((value for name, value in self.headers.items() if name.lower() == wanted), None)


def read_question(body: bytes) -> Question:
    """The question that a body asks.

    Raises:
        Unaskable: It asks none.
    """
    try:
        return Question.model_validate_json(body)
    except ValidationError as error:
        raise Unaskable([_sentence(fault) for fault in error.errors(include_url=False)]) from None


def _sentence(fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    if where.startswith("mounts") and fault["type"] in {"missing", "too_long", "tuple_type"}:
        fault = {"type": "value_error", "ctx": {"error": "name two of them, in a list"}}
        where = "mounts"
    match fault["type"]:
        case "json_invalid":
            return f"The body is no JSON: {fault['ctx']['error']}."
        case "missing":
            return f"{where} is missing."
        case "extra_forbidden":
            return f"{where} is nothing that can be asked for."
        case "value_error":
            words = str(fault["ctx"]["error"]).rstrip(".")
        case _:
            words = str(fault["msg"]).rstrip(".")
    return f"{where}: {words}." if where else f"{words[:1].upper()}{words[1:]}."


@dataclass(frozen=True)
class Origin:
    """Where the gateway is, as whoever asks sees it.

    Attributes:
        scheme: "http" or "https".
        host: The Host header's value.
        prefix: The public prefix of the whole gateway, without a slash at the end.
    """

    scheme: str
    host: str
    prefix: str = ""


@dataclass(frozen=True)
class Asked:
    """The question, for one of the mounts.

    Attributes:
        mount: Its name.
        host: The Host header's value.
        prefix: The public path under which the mount's service is, without a slash at the end.
        target: Path and query, percent-encoded, below the gateway's own public prefix.
        url: The public address.
    """

    mount: str
    host: str
    prefix: str
    target: str
    url: str


def ask_of_both(
    question: Question, mounts: Sequence[MountSettings], admin_prefix: str, origin: Origin
) -> tuple[Asked, Asked]:
    """The question for each of its mounts.

    Args:
        question: What is asked.
        mounts: All mounts.
        admin_prefix: Where the gateway's own endpoints are, which are not asked.
        origin: Where the gateway is.

    Raises:
        Unaskable: A mount is not there, or would not be the one that answers.
    """
    by_name = {mount.name: mount for mount in mounts}
    unknown = [name for name in question.mounts if name not in by_name]
    if unknown:
        names = ", ".join(by_name)
        raise Unaskable([f"No mount is called {name!r}; there are {names}." for name in unknown])
    asked = []
    faults = []
    for name in question.mounts:
        mount = by_name[name]
        host = question.header("host") or _host_for(mount, origin.host)
        prefix = mount.prefix.rstrip("/")
        target = quote(f"{prefix}{question.target}", safe=_IN_URL) or "/"
        path = unquote(target.partition("?")[0])
        answering = _answering(mounts, admin_prefix, path, host)
        if answering != name:
            faults.append(_fault_of(mount, path, host, answering))
        public = f"{origin.prefix}{prefix}"
        url = f"{origin.scheme}://{host}{origin.prefix}{target}"
        asked.append(Asked(name, host, public, target, url))
    if faults:
        raise Unaskable(faults)
    return asked[0], asked[1]


def _host_for(mount: MountSettings, host: str) -> str:
    """The host to ask a mount by: one of its own where it does not answer for the given one."""
    if not mount.host or mount.host.startswith("*.") or host_name(host) == mount.host:
        return host
    # The port is the gateway's, whatever its name.
    _, colon, port = host.rpartition("]")[2].rpartition(":")
    return f"{mount.host}{colon}{port if colon else ''}"


def _answering(
    mounts: Iterable[MountSettings], admin_prefix: str, path: str, host: str
) -> str | None:
    """The name of the mount that answers: a host's own first, then the longest prefix."""
    if _is_below(path, admin_prefix):
        return None
    name = host_name(host)
    # An exact host before a wildcard, the longer of these before the shorter, any host last.
    ranked = sorted(
        (
            mount.host.startswith("*.") if mount.host else 2,
            -len(mount.host),
            -len(mount.prefix.rstrip("/")),
            mount.name,
        )
        for mount in mounts
        if _is_below(path, mount.prefix) and _is_for(mount.host, name)
    )
    return ranked[0][-1] if ranked else None


def _is_for(wanted: str, name: str) -> bool:
    return not wanted or name == wanted or (wanted.startswith("*.") and name.endswith(wanted[1:]))


def _is_below(path: str, prefix: str) -> bool:
    prefix = prefix.rstrip("/")
    return path == prefix or path.startswith(f"{prefix}/")


def _fault_of(mount: MountSettings, path: str, host: str, answering: str | None) -> str:
    if not _is_for(mount.host, host_name(host)):
        return (
            f"The mount {mount.name!r} answers for {mount.host} and not for {host}: "
            "name a Host among the headers."
        )
    other = f"the mount {answering!r}" if answering else "the gateway itself"
    return f"{path} is not answered by the mount {mount.name!r} but by {other}."


def curl_line(question: Question, url: str) -> str:
    """A shell's line that asks the same of one mount.

    It has what the question names, and no cookie of whoever asks.
    """
    words = ["curl", "--include", "--globoff"]
    if question.method == "HEAD" and not question.body:
        words[1] = "--head"
    elif question.method != "GET" or question.body:
        words += ["--request", question.method]
    for name, value in question.headers.items():
        # A header without a value: curl leaves out what ends with a colon.
        words += ["--header", f"{name}: {value}" if value else f"{name};"]
    if question.body:
        if question.header("content-type") is None:
            words += ["--header", "Content-Type:"]  # or it names a form's
        words += ["--data-raw", question.body]
    return shlex.join([*words, url])
