"""Settings of switches that cannot stand together."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import read

SOUND = """
[[mounts]]
name = "old"
app = "shop:old"

[[mounts]]
name = "new"
app = "shop:new"

[[mounts]]
name = "both"
prefix = "/shop"
switch = { legacy = "old", candidate = "new" }
"""


def faults(folder: Path, toml: str) -> list[tuple[str, str]]:
    """Key and what was found there."""
    file = folder / "gateway.toml"
    file.write_text(toml, encoding="utf-8")
    return [(fault.key, fault.found) for fault in read(file, environ={}).faults]


def test_services_behind_a_switch_need_no_prefix(tmp_path: Path) -> None:
    """And a candidate may be an address."""
    assert faults(tmp_path, SOUND) == []
    at_address = SOUND.replace('candidate = "new"', 'candidate = "http://127.0.0.1:9000"')
    assert faults(tmp_path, at_address.replace('app = "shop:new"', PREFIXED)) == []


PREFIXED = 'app = "shop:new"\nprefix = "/new"'


@pytest.mark.parametrize(
    ("change", "key", "found"),
    [
        (('legacy = "old"', 'legacy = "odl"'), "switch.legacy", '"odl", not a mount with an app'),
        (('legacy = "old"', 'legacy = "both"'), "switch.legacy", '"both", not a mount'),
        (('candidate = "new"', 'candidate = "ftp://x"'), "switch.candidate", '"ftp://x", neither'),
        (('candidate = "new"', 'candidate = "old"'), "switch.candidate", '"old", on both sides'),
        (('prefix = "/shop"', 'prefix = "/shop"\nthreads = 3'), "threads", "set on a switch"),
        (('prefix = "/shop"', 'prefix = "/shop"\napp = "a:b"'), "app", "set on a switch"),
        (('prefix = "/shop"', ""), "prefix", "nothing"),
        (('app = "shop:old"', 'app = "shop:old"\nhost = "a.example"'), "host", "without a prefix"),
        (('name = "old"\napp', 'name = "old"\nrules = [{ path = "/" }]\napp'), "rules", "without"),
        (("switch = {", "switch = { other = 1, "), "switch.other", "an unknown key"),
    ],
)
def test_what_makes_no_switch_is_a_fault(
    tmp_path: Path, change: tuple[str, str], key: str, found: str
) -> None:
    """Each with its key and what was found."""
    told = faults(tmp_path, SOUND.replace(*change, 1))
    assert any(one.endswith(key) and found in what for one, what in told), told


@pytest.mark.parametrize(
    ("rule", "key", "found"),
    [
        ('path = "items"', "path", '"items"'),
        ('path = "/a"\nmode = "canray"', "mode", '"canray"'),
        ('path = "/a"\nmethods = ["get"]', "methods", "get"),
        ('path = "/a"\npercent = 101', "percent", "101"),
        ('path = "/a"\ncompare = { json = [{ kind = "x", pointer = "" }] }', "compare.json", '"x"'),
        ('mode = "shadow"', "path", "nothing"),
    ],
)
def test_a_faulty_rule_is_told_with_its_path(
    tmp_path: Path, rule: str, key: str, found: str
) -> None:
    """Whoever has many of them finds it."""
    [(where, what)] = faults(tmp_path, f"{SOUND}[[mounts.rules]]\n{rule}\n")
    assert where.startswith('[[mounts]] "both" rule ')
    assert where.endswith(key.replace(".", " "))
    assert found in what


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('keys = ["cookie:x"]', "switch.keys"),
        ('database = "mysql://u:secret@h/d"', "switch.database"),
        ("shadows = 0", "switch.shadows"),
        ("noise_percent = 101.0", "switch.noise_percent"),
    ],
)
def test_what_all_switches_share_is_checked(tmp_path: Path, line: str, key: str) -> None:
    """An address of a database is never shown."""
    [(where, found)] = faults(tmp_path, f"[switch]\n{line}\n{SOUND}")
    assert where == key
    assert "secret" not in found
