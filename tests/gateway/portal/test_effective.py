"""The effective settings, as the portal shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.checks import Finding
from gateway.config import all_settings, read
from gateway.portal.effective import MASK, configuration
from tests.gateway.projects import write_project


def test_the_configuration_tells_each_setting_and_where_it_comes_from(tmp_path: Path) -> None:
    """Every one, those of each mount by its name; the purpose is that of the documentation."""
    toml = (
        "[server]\nport = 9000\n"
        '[[mounts]]\nname = "a"\nprefix = "/a"\napp = "a:b"\nthreads = 4\n'
        '[[mounts]]\nname = "b"\nprefix = "/b"\napp = "a:b"\n'
    )
    file = write_project(tmp_path, toml)
    environ = {"GATEWAY_SERVER__WORKERS": "3", "GATEWAY_EDGE__TRUSTED_PROXIES": '["unix"]'}
    found = configuration(
        read(file, {"server": {"host": "::1"}}, environ), [Finding("edge", "what", "mend")]
    )
    settings = {one["key"]: one for one in found["settings"]}
    own = [key for key, _, _ in all_settings() if not key.startswith("mounts.")]
    # What is in a table of a mount's is told with the table.
    of_mounts = [key for key, _, _ in all_settings() if key.rpartition(".")[0] == "mounts"]
    each = [f"mounts.{name}.{key[7:]}" for name in ("a", "b") for key in of_mounts]
    assert list(settings) == [*own, *each]
    assert settings["server.port"] == {
        "key": "server.port",
        "value": 9000,
        "origin": "file",
        "source": str(file),
        "help": next(text for key, text, _ in all_settings() if key == "server.port"),
        "secret": False,
    }

    def told_of(key: str) -> tuple[Any, str, str]:
        return settings[key]["value"], settings[key]["origin"], settings[key]["source"]

    assert told_of("server.host") == ("::1", "command line", "--host")
    assert told_of("server.workers") == (3, "environment", "GATEWAY_SERVER__WORKERS")
    assert told_of("server.drain_seconds") == (20.0, "default", "")
    assert told_of("edge.trusted_proxies")[0] == ["unix"]
    assert told_of("edge.cors_origins") == ([], "default", "")
    assert told_of("edge.security_headers") == ({}, "default", "")
    assert told_of("mounts.a.threads") == (4, "file", str(file))
    assert told_of("mounts.b.threads") == (10, "default", "")
    assert found["findings"] == [{"where": "edge", "what": "what", "mend": "mend"}]


def test_a_switch_is_told_as_the_file_has_it(tmp_path: Path) -> None:
    """Its sides and its rules, without all that they leave to the default."""
    toml = (
        '[[mounts]]\nname = "a"\napp = "a:b"\n[[mounts]]\nname = "b"\napp = "a:b"\n'
        '[[mounts]]\nname = "s"\nprefix = "/s"\nswitch = { legacy = "a", candidate = "b" }\n'
        '[[mounts.rules]]\npath = "/one"\nmode = "shadow"\n'
        '[mounts.rules.compare]\njson = [{ kind = "uuid", pointer = "/id" }]\n'
    )
    found = configuration(read(write_project(tmp_path, toml), None, {}), [])
    settings = {one["key"]: one["value"] for one in found["settings"]}
    assert settings["mounts.a.switch"] is None
    assert settings["mounts.s.switch"] == {"legacy": "a", "candidate": "b"}
    rule = {"path": "/one", "mode": "shadow"}
    compare = {"json": [{"kind": "uuid", "pointer": "/id"}]}
    assert settings["mounts.s.rules"] == [{**rule, "compare": compare}]


def test_no_secret_is_told(tmp_path: Path) -> None:
    """Not even how long it is, wherever it is kept."""
    secrets = {
        "GATEWAY_ADMIN__TOKEN": "of-the-admin-and-long-enough",
        "GATEWAY_SERVER__TLS_KEY_PASSWORD": "of-the-certificate",
        "GATEWAY_SESSION__SECRET_KEY": "of-the-session-and-long-enough",
        "GATEWAY_SESSION__SECRET_KEY_FALLBACKS": '["of-the-session-before"]',
        "GATEWAY_EDGE__RATE_LIMIT_STORE": "redis://user:of-the-store@redis/0",
        "GATEWAY_SWITCH__DATABASE": "postgresql://user:of-the-switch@db/gateway",
    }
    toml = '[[mounts]]\nname = "a"\nprefix = "/a"\napp = "a:b"\n'
    file = write_project(tmp_path, toml)
    found = configuration(read(file, None, secrets), [])
    assert "of-the" not in str(found)
    masked = {one["key"] for one in found["settings"] if one["value"] == MASK}
    known = {one["key"] for one in found["settings"] if one["secret"]}
    assert masked == known
    assert len(masked) == len(secrets)
    unset = configuration(read(file, None, {}), [])["settings"]
    assert {one["value"] for one in unset if one["secret"]} == {
        "",
        "memory://",
        "sqlite:///switch.db",
    }
