"""What a trusted proxy says of the client, believed once, for both stacks.

`X-Forwarded-For`, `-Proto`, `-Host` and `-Prefix`, and `Forwarded` (RFC 7239), change the scope,
so that Flask's `remote_addr` and `url_for` and FastAPI's agree. From anybody else they are removed,
and with them the temptation to believe them further in.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Iterable, Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.exchange import exchange_of

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAMES = frozenset(
    {
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-forwarded-protocol",
        b"x-forwarded-scheme",
        b"x-forwarded-server",
        b"x-forwarded-ssl",
        b"x-real-ip",
        b"x-script-name",
    }
)
# RFC 7239, section 6, for the older header too; a port may be a word.
_HOP = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[\w.-]+)?|([0-9.]+)(?::[\w.-]+)?|([0-9A-Fa-f:.]+)")
# What services behind a proxy take its word for: a trusted one's passes as it is.
_VOUCHED_FOR = frozenset(
    {
        b"cf-connecting-ip",
        b"true-client-ip",
        b"x-client-ip",
        b"x-forwarded-access-token",
        b"x-forwarded-by",
        b"x-forwarded-client-cert",
        b"x-forwarded-email",
        b"x-forwarded-groups",
        b"x-forwarded-method",
        b"x-forwarded-preferred-username",
        b"x-forwarded-uri",
        b"x-forwarded-user",
        b"x-original-url",
        b"x-rewrite-url",
    }
)
_LOOKED_AT = _NAMES | _VOUCHED_FOR
_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+")
_TOKENS = {"for": b"x-forwarded-for", "proto": b"x-forwarded-proto", "host": b"x-forwarded-host"}
# What a proxy may be believed: each name ends that of its header.
PROXY_HEADERS = frozenset({*_TOKENS, "prefix"})
# A Unix socket has no address: who can open it is the file system's business.
_UNIX = "unix"


class TrustedProxies:
    """Believes proxies of these networks, and nobody else.

    Args:
        app: What the request goes to.
        trusted: Networks in CIDR notation, "unix" for clients of a Unix socket, "*" for everyone.
        root_path: The public prefix of the whole gateway, where a proxy serves it under one and
            does not say so.
        believed: What they are believed, of `PROXY_HEADERS`. The rest is removed: many proxies set
            some of these headers and pass on the others as a client has sent them.
    """

    def __init__(
        self,
        app: ASGIApp,
        trusted: Sequence[str] = (),
        root_path: str = "",
        believed: Iterable[str] = PROXY_HEADERS,
    ) -> None:
        self.app = app
        self._believed = frozenset(f"x-forwarded-{what}".encode() for what in believed)
        self._everyone = "*" in trusted
        self._unix = self._everyone or _UNIX in trusted
        self._networks = [
            ipaddress.ip_network(entry) for entry in trusted if entry not in {"*", _UNIX}
        ]
        self._root_path = root_path

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Take over what is believed, remove the rest, pass on."""
        if scope["type"] == "lifespan":
            return self.app(scope, receive, send)
        exchange = exchange_of(scope)
        prefix = self._root_path
        if not _LOOKED_AT.isdisjoint(exchange.fields):
            exchange.forwarded = True
            prefix = self._read(scope) or prefix
            exchange.client = scope["client"][0] if scope.get("client") else ""
        if prefix:
            _put_under(scope, prefix)
        return self.app(scope, receive, send)

    def _read(self, scope: Scope) -> str:
        """Take over what a trusted peer says; return the public prefix."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        said: dict[bytes, list[str]] = {}
        for name, value in headers:
            if name in _NAMES:
                values = value.decode("latin-1").split(",")
                said.setdefault(name, []).extend(part.strip() for part in values)
        kept = [header for header in headers if header[0] not in _NAMES]
        scope["headers"] = kept
        if not self._trusts_peer(scope):
            scope["headers"] = [header for header in kept if header[0] not in _VOUCHED_FOR]
            return ""
        if b"x-forwarded-for" not in said and b"forwarded" in said:
            # In place of what the older ones say, which such a proxy may pass on from a client.
            said.update(_from_forwarded(_raw(headers, b"forwarded")))
        said = {name: values for name, values in said.items() if name in self._believed}
        hops = said.get(b"x-forwarded-for", [])
        client, skipped = self._client(hops)
        if client:
            scope["client"] = (client, 0)
            # For what looks at the header itself, one hop away as in front of any server.
            kept.append((b"x-forwarded-for", client.encode()))
        proto = _pick(said.get(b"x-forwarded-proto", []), skipped).lower()
        if proto in {"http", "https"}:
            websocket = scope["type"] == "websocket"
            scope["scheme"] = proto.replace("http", "ws") if websocket else proto
            kept.append((b"x-forwarded-proto", proto.encode()))
        host = _pick(said.get(b"x-forwarded-host", []), skipped)
        if names_host(host):
            kept[:] = [header for header in kept if header[0] != b"host"]
            kept += [(b"host", host.encode()), (b"x-forwarded-host", host.encode())]
        prefix = _pick(said.get(b"x-forwarded-prefix", []), skipped).rstrip("/")
        sound = _PREFIX.fullmatch(prefix) and not {".", ".."} & set(prefix.split("/"))
        return prefix if sound else ""

    def _trusts_peer(self, scope: Scope) -> bool:
        client = scope.get("client")
        return self._unix if not client or not client[0] else self._trusts(client[0])

    def _trusts(self, address: str) -> bool:
        if self._everyone:
            return True
        try:
            parsed = unmapped(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)

    def _client(self, hops: Sequence[str]) -> tuple[str, int]:
        """The last hop that is no proxy of ours, and how many were skipped to find it."""
        client = ""
        for skipped, hop in enumerate(reversed(hops)):
            address = _address(hop)
            if not address:
                # "unknown", or somebody's invention: what stands before it is no better.
                return client, max(skipped - 1, 0)
            client = address
            if self._everyone or not self._trusts(address):
                last = len(hops) - 1 if self._everyone else skipped
                return (_address(hops[0]) or client if self._everyone else client), last
        return client, max(len(hops) - 1, 0)


def _address(hop: str) -> str:
    """The address in `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`; else empty."""
    found = _HOP.fullmatch(hop)
    if found is None:
        return ""
    try:
        return str(unmapped(found[1] or found[2] or found[3]))
    except ValueError:
        return ""


def unmapped(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address; one of IPv4 as such, also where an IPv6 socket has written it as its own.

    Raises:
        ValueError: It is none.
    """
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        return parsed.ipv4_mapped
    return parsed


def names_host(value: str) -> bool:
    """Whether a value is a host's name or address, with or without a port."""
    return _HOST.fullmatch(value) is not None


def path_within(scope: Scope) -> str:
    """The request's path below the gateway's own public prefix."""
    path: str = scope["path"]
    root_path = scope.get("root_path", "")
    return path.removeprefix(root_path) if root_path else path


def _pick(values: Sequence[str], skipped: int) -> str:
    """What the proxy said that also named the client: proxies append, or pass one value on."""
    return values[max(len(values) - 1 - skipped, 0)] if values else ""


def _raw(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> str:
    return ",".join(value.decode("latin-1") for name, value in headers if name == wanted)


def _from_forwarded(value: str) -> dict[bytes, list[str]]:
    """`Forwarded` in the words of the older headers, with an entry in each for each proxy.

    So that what one proxy leaves out is not taken from what was said before it.
    """
    said: dict[bytes, list[str]] = {name: [] for name in _TOKENS.values()}
    for element in _split(value):
        parts = (part.partition("=") for part in element.split(";"))
        pairs = {name.strip().lower(): value.strip().strip('"') for name, _, value in parts}
        for token, name in _TOKENS.items():
            said[name].append(pairs.get(token, ""))
    return said


def _split(value: str) -> list[str]:
    """The elements of a list whose commas may stand in quotes."""
    elements, current, quoted, escaped = [], "", False, False
    for character in value:
        if character == "," and not quoted:
            elements.append(current)
            current = ""
            continue
        if character == '"' and not escaped:
            quoted = not quoted
        escaped = character == "\\" and not escaped
        current += character
    return [*elements, current]


def _put_under(scope: Scope, prefix: str) -> None:
    """Have the request stand under a public prefix, whether or not its proxy has cut it off."""
    scope["root_path"] = prefix + scope.get("root_path", "")
    path = scope["path"]
    if path != prefix and not path.startswith(f"{prefix}/"):
        scope["path"] = prefix + path
        if raw_path := scope.get("raw_path"):
            scope["raw_path"] = prefix.encode() + raw_path
