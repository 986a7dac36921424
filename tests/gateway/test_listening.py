"""Sockets and certificates before anything starts."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import trustme

from gateway.config import ServerSettings
from gateway.listening import CannotListen, certificate, listen


@pytest.mark.parametrize(
    ("host", "tls", "address"),
    [
        ("127.0.0.1", False, "http://127.0.0.1:"),
        ("127.0.0.1", True, "https://127.0.0.1:"),
        ("::1", False, "http://[::1]:"),
    ],
)
def test_the_address_is_one_that_a_browser_takes(
    tmp_path: Path, host: str, tls: bool, address: str
) -> None:
    """With the port that was free."""
    listener, told = listen(ServerSettings(host=host, port=0), tmp_path, tls=tls)
    with listener:
        assert told == f"{address}{listener.getsockname()[1]}"
        socket.create_connection(listener.getsockname()[:2]).close()


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("127.0.0.1", "is in use"),
        ("192.0.2.1", "no address of this machine"),
        ("a..b", "not known"),
    ],
)
def test_an_address_that_cannot_be_had_says_why(tmp_path: Path, host: str, reason: str) -> None:
    """In use, somebody else's, or none at all."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=reason):
            listen(ServerSettings(host=host, port=port), tmp_path, tls=False)


def test_a_unix_socket_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    """And none that somebody listens on."""
    server = ServerSettings(unix_socket="gw.sock")
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(tmp_path / "gw.sock"))
    listener, told = listen(server, tmp_path, tls=False)
    with listener:
        assert told == f"unix:{tmp_path / 'gw.sock'}"
        with pytest.raises(CannotListen, match=r"gw\.sock is in use"):
            listen(server, tmp_path, tls=False)


@pytest.mark.parametrize(
    ("path", "reason"), [("file", "exists and is no socket"), ("no/such/folder", "cannot listen")]
)
def test_a_path_that_is_no_place_for_a_socket_says_why(
    tmp_path: Path, path: str, reason: str
) -> None:
    """A file stays as it is."""
    (tmp_path / "file").write_text("kept")
    with pytest.raises(CannotListen, match=reason):
        listen(ServerSettings(unix_socket=path), tmp_path, tls=False)
    assert (tmp_path / "file").read_text() == "kept"


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    """A folder with a certificate, its key, and what is neither."""
    issued = trustme.CA().issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "chain.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    (tmp_path / "junk.pem").write_text("junk")
    return tmp_path


def test_a_certificate_and_its_key_are_found(pem: Path) -> None:
    """Below the project; none of it is wanted where none is named."""
    server = ServerSettings(tls_certificate="chain.pem", tls_key="key.pem")
    assert certificate(server, pem) == (str(pem / "chain.pem"), str(pem / "key.pem"))
    assert certificate(ServerSettings(), pem) is None


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ({"tls_certificate": "none.pem"}, r"server\.tls_certificate: cannot read .*none\.pem"),
        ({"tls_key": "none.pem"}, r"server\.tls_key: cannot read .*none\.pem"),
        ({"tls_certificate": "junk.pem"}, "are not a certificate"),
        ({"tls_key": "junk.pem"}, "are not a certificate"),
    ],
)
def test_a_certificate_that_cannot_be_used_says_why(
    pem: Path, names: dict[str, Any], reason: str
) -> None:
    """Missing, or none, each with its name."""
    server = ServerSettings(**{"tls_certificate": "chain.pem", "tls_key": "key.pem", **names})
    with pytest.raises(CannotListen, match=reason):
        certificate(server, pem)
