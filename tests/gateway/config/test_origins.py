"""Where each effective setting comes from."""

from __future__ import annotations

import pickle
from pathlib import Path

from gateway.config import Origin, read
from tests.gateway.projects import write_project

TOML = """\
environment = "development"
[server]
port = 1
workers = 2
drain_seconds = 5.0
[[mounts]]
name = "a"
prefix = "/a"
app = "a:b"
"""


def test_the_strongest_source_is_the_origin(tmp_path: Path) -> None:
    """The command line, then the environment, then the file; what nobody sets has none."""
    file = write_project(tmp_path, TOML)
    environ = {"GATEWAY_SERVER__WORKERS": "3", "GATEWAY_ADMIN__TOKEN": "x" * 20, "PORT": "7"}
    found = read(file, {"server": {"drain_seconds": 1.0}}, environ)
    assert found.faults == ()
    assert found.origins == {
        ("environment",): Origin("file", str(file)),
        ("server", "port"): Origin("environment", "PORT"),
        ("server", "workers"): Origin("environment", "GATEWAY_SERVER__WORKERS"),
        ("server", "drain_seconds"): Origin("command line", "--drain-seconds"),
        ("admin", "token"): Origin("environment", "GATEWAY_ADMIN__TOKEN"),
        ("mounts", 0, "name"): Origin("file", str(file)),
        ("mounts", 0, "prefix"): Origin("file", str(file)),
        ("mounts", 0, "app"): Origin("file", str(file)),
    }


def test_mounts_of_the_environment_take_the_place_of_the_file_s(tmp_path: Path) -> None:
    """The whole list, so nothing of it is the file's any more."""
    file = write_project(tmp_path, TOML)
    mounts = '[{"name": "b", "prefix": "/b", "app": "a:b", "factory": true}]'
    found = read(file, None, {"GATEWAY_MOUNTS": mounts})
    of_mounts = {key: its.kind for key, its in found.origins.items() if key[0] == "mounts"}
    assert of_mounts == dict.fromkeys(
        [("mounts", 0, key) for key in ("name", "prefix", "app", "factory")], "environment"
    )


def test_workers_are_told_the_origins(tmp_path: Path) -> None:
    """A configuration travels to other processes."""
    found = read(write_project(tmp_path, TOML), None, {})
    assert pickle.loads(pickle.dumps(found)) == found
