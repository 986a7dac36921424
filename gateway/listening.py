"""Where the server listens: its socket and its certificate, tried out before anything starts."""

from __future__ import annotations

import errno
import socket
import ssl
from pathlib import Path

from gateway.config import ServerSettings


class CannotListen(Exception):
    """The server cannot start here; the text says why and what to do."""


def listen(server: ServerSettings, project: Path, *, tls: bool) -> tuple[socket.socket, str]:
    """A listening socket, and its address for people.

    Args:
        server: Host and port, or a Unix socket.
        project: The folder that its path begins at.
        tls: Whether the server will speak TLS, for the address.

    Raises:
        CannotListen: The address cannot be used.
    """
    if server.unix_socket:
        return _listen_unix(project / server.unix_socket)
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            server.host, server.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CannotListen(f"the host {server.host!r} is not known: {reason}") from None
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(where)
        listener.listen(1)
    except OSError as error:
        listener.close()
        raise CannotListen(_why_not(error, server.host, server.port)) from None
    listener.setblocking(False)
    port = listener.getsockname()[1]
    host = f"[{server.host}]" if ":" in server.host else server.host
    return listener, f"{'https' if tls else 'http'}://{host}:{port}"


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use; choose another with --port or server.port"
    if error.errno == errno.EACCES:
        return f"port {port} on {host} needs privileges; choose one above 1023"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine; 0.0.0.0 means all of them"
    return f"cannot listen on {host} port {port}: {error.strerror}"


def _listen_unix(path: Path) -> tuple[socket.socket, str]:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket() and not _somebody_listens(path):
            path.unlink()  # left behind by a process that was killed
        listener.bind(str(path))
        listener.listen(1)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            state = "is in use" if path.is_socket() else "exists and is no socket"
            raise CannotListen(f"{path} {state}; choose another path") from None
        reason = error.strerror or str(error)
        raise CannotListen(f"cannot listen on the socket {path}: {reason}") from None
    listener.setblocking(False)
    return listener, f"unix:{path}"


def _somebody_listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == 0


def certificate(server: ServerSettings, project: Path) -> tuple[str, str] | None:
    """The certificate's and the key's paths, tried out; None for a server without TLS.

    Raises:
        CannotListen: They cannot be read, or do not belong together.
    """
    if not server.tls_certificate:
        return None
    certificate, key = project / server.tls_certificate, project / server.tls_key
    for name, path in (("tls_certificate", certificate), ("tls_key", key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise CannotListen(f"server.{name}: cannot read {path}: {error.strerror}") from None
    password = server.tls_key_password.get_secret_value()
    try:
        # An empty password, so that OpenSSL fails instead of asking at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, lambda: password)
    except (ssl.SSLError, ValueError) as error:
        if "ENCRYPTED" in key.read_text(errors="replace"):
            raise CannotListen(
                f"server.tls_key: {key} is encrypted and GATEWAY_SERVER__TLS_KEY_PASSWORD does not "
                "open it"
            ) from None
        raise CannotListen(
            f"server.tls_certificate: {certificate} and {key} are not a certificate (PEM) and its "
            f"key: {getattr(error, 'reason', None) or error}"
        ) from None
    return str(certificate), str(key)
