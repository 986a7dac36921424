"""Reading the settings, and every way in which they can be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.config import Configuration, ConfigurationError, Fault, find_file, read
from tests.gateway.projects import write_project

MOUNT = """
[[mounts]]
name = "web"
prefix = "/web"
app = "shop:web"
"""


def faults_of(folder: Path, toml: str, environ: dict[str, str] | None = None) -> tuple[Fault, ...]:
    return read(write_project(folder, toml), environ=environ or {}).faults


def only_fault(
    folder: Path, toml: str, environ: dict[str, str] | None = None
) -> tuple[str, str, str, str]:
    (fault,) = faults_of(folder, toml, environ)
    return fault.source, fault.key, fault.found, fault.accepted


def test_defaults_are_enough_for_one_mount(tmp_path: Path) -> None:
    """A file with one mount is a whole configuration."""
    settings = read(write_project(tmp_path, MOUNT), environ={}).checked()
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8000)
    assert settings.mounts[0].prefix == "/web"
    assert settings.environment == "development"


def test_settings_are_frozen(tmp_path: Path) -> None:
    """Nobody changes a setting after reading."""
    settings = read(write_project(tmp_path, MOUNT), environ={}).checked()
    with pytest.raises(ValidationError, match="frozen"):
        settings.server.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("environ", "overrides", "port"),
    [
        ({}, {}, 7000),
        ({"PORT": "7001"}, {}, 7001),
        ({"PORT": "7001", "GATEWAY_SERVER__PORT": "7002"}, {}, 7002),
        ({"GATEWAY_SERVER__PORT": "7002"}, {"server": {"port": 7003}}, 7003),
    ],
)
def test_command_line_wins_over_environment_over_file(
    tmp_path: Path, environ: dict[str, str], overrides: dict[str, Any], port: int
) -> None:
    """The nearer source wins, and PORT is the weaker of the two names in the environment."""
    file = write_project(tmp_path, f"[server]\nport = 7000\nworkers = 3\n{MOUNT}")
    settings = read(file, overrides, environ).checked()
    assert settings.server.port == port
    assert settings.server.workers == 3


def test_lists_come_from_the_environment_as_json(tmp_path: Path) -> None:
    """A list setting can be given in the environment."""
    environ = {"GATEWAY_EDGE__TRUSTED_ORIGINS": '["https://a.example"]'}
    settings = read(write_project(tmp_path, MOUNT), environ=environ).checked()
    assert settings.edge.trusted_origins == ("https://a.example",)


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    """Faults of every kind stand in one report, with the sound mounts kept for loading."""
    toml = f"""
    colour = "red"
    [server]
    port = "eighty"
    {MOUNT}
    [[mounts]]
    name = "other"
    prefix = "/other/"
    app = "shop:web"
    """
    configuration = read(write_project(tmp_path, toml), environ={"GATEWAY_NOPE__X": "1"})
    assert {fault.key for fault in configuration.faults} == {
        "GATEWAY_NOPE__X",
        "colour",
        "server.port",
        '[[mounts]] "other" prefix',
    }
    assert [mount.name for mount in configuration.mounts] == ["web"]
    with pytest.raises(ConfigurationError, match=r"4 faults .* nothing was started"):
        configuration.checked()


def test_a_fault_names_source_key_found_and_accepted(tmp_path: Path) -> None:
    """The report says where, what, what stands there and what may."""
    source, key, found, accepted = only_fault(tmp_path, f'[server]\nport = "eighty"\n{MOUNT}')
    assert source == str(tmp_path / "gateway.toml")
    assert (key, found) == ("server.port", '"eighty"')
    assert accepted == "an integer from 0 to 65535"


@pytest.mark.parametrize(
    ("environ", "key"),
    [({"PORT": "x"}, "PORT"), ({"GATEWAY_SERVER__PORT": "x"}, "GATEWAY_SERVER__PORT")],
)
def test_a_fault_of_the_environment_names_the_variable(
    tmp_path: Path, environ: dict[str, str], key: str
) -> None:
    """A value from the environment is not blamed on the file."""
    assert only_fault(tmp_path, MOUNT, environ)[:3] == ("environment", key, '"x"')


def test_a_fault_of_the_command_line_names_the_option(tmp_path: Path) -> None:
    """A value from the command line is not blamed on the file."""
    (fault,) = read(write_project(tmp_path, MOUNT), {"server": {"workers": 0}}, {}).faults
    assert (fault.source, fault.key) == ("command line", "--workers")


def test_an_unknown_key_suggests_the_known_one(tmp_path: Path) -> None:
    """A misspelled key is refused, with the nearest that exists."""
    _, key, found, accepted = only_fault(tmp_path, f"[server]\nprot = 1\n{MOUNT}")
    assert (key, found) == ("server.prot", "an unknown key")
    assert 'did you mean "port"?' in accepted


@pytest.mark.parametrize(
    "toml",
    [
        pytest.param("[server\nport = 1", id="unclosed table"),
        pytest.param("a = 1\na = 2\nb = 3", id="key twice"),
    ],
)
def test_bad_toml_is_reported_with_its_line(tmp_path: Path, toml: str) -> None:
    """A file that is not TOML says where it breaks."""
    _, key, found, accepted = only_fault(tmp_path, toml)
    assert key == "the file"
    assert "line" in found
    assert "TOML" in accepted


def test_a_file_that_is_not_utf8_is_reported(tmp_path: Path) -> None:
    """A file in another encoding is a fault, not a traceback."""
    file = tmp_path / "gateway.toml"
    file.write_bytes(b"\xff\xfe")
    (fault,) = read(file, environ={}).faults
    assert "UTF-8" in fault.accepted


@pytest.mark.parametrize("prefix", ["flask", "/flask/", "//", "/a//b", "/a b", "/a?b", "/é"])
def test_a_bad_prefix_is_refused(tmp_path: Path, prefix: str) -> None:
    """A prefix is made of whole, plain segments."""
    _, key, found, _ = only_fault(tmp_path, MOUNT.replace('"/web"', f'"{prefix}"'))
    assert (key, found) == ('[[mounts]] "web" prefix', f'"{prefix}"')


@pytest.mark.parametrize("prefix", ["/..", "/a/../b", "/.", "/a/."])
def test_a_prefix_with_dot_segments_is_refused(tmp_path: Path, prefix: str) -> None:
    """A prefix that clients would resolve away could never match."""
    assert "dot segment" in only_fault(tmp_path, MOUNT.replace('"/web"', f'"{prefix}"'))[2]


@pytest.mark.parametrize("prefix", ["/", "/web", "/api/v1", "/a.b_c~d-e", "/.well-known"])
def test_a_sound_prefix_is_accepted(tmp_path: Path, prefix: str) -> None:
    """Plain segments and the root are prefixes."""
    assert faults_of(tmp_path, MOUNT.replace('"/web"', f'"{prefix}"')) == ()


def test_two_mounts_on_one_prefix_are_refused(tmp_path: Path) -> None:
    """One prefix has one mount, and the report names the other."""
    toml = MOUNT + MOUNT.replace('"web"', '"other"')
    _, key, found, _ = only_fault(tmp_path, toml)
    assert (key, found) == ('[[mounts]] "other" prefix', '"/web", as mount "web"')


def test_one_prefix_on_two_hosts_is_accepted(tmp_path: Path) -> None:
    """A prefix may repeat for another host."""
    other = MOUNT.replace('"web"', '"other"') + 'host = "*.example.com"\n'
    assert faults_of(tmp_path, MOUNT + other) == ()


@pytest.mark.parametrize("host", ["https://a.example", "a.example:80", "A.example", "*.*", "a b"])
def test_a_bad_host_is_refused(tmp_path: Path, host: str) -> None:
    """A host is a name, in lower case, without scheme and port."""
    assert only_fault(tmp_path, f'{MOUNT}host = "{host}"\n')[1] == '[[mounts]] "web" host'


def test_two_mounts_of_one_name_are_refused(tmp_path: Path) -> None:
    """Names identify mounts in logs and reports."""
    assert "as another mount" in only_fault(tmp_path, MOUNT + MOUNT.replace("/web", "/b"))[2]


def test_a_mount_with_the_gateway_s_own_name_is_refused(tmp_path: Path) -> None:
    """Rate limits and metrics tell the gateway's own requests by it; it may be part of a name."""
    _, key, found, accepted = only_fault(tmp_path, MOUNT.replace('"web"', '"gateway"'))
    assert (key, found) == ('[[mounts]] "gateway" name', '"gateway"')
    assert 'not "gateway"' in accepted
    assert not faults_of(tmp_path, MOUNT.replace('"web"', '"gateway-2"'))


@pytest.mark.parametrize("prefix", ["/_gateway", "/_gateway/sub"])
def test_a_mount_over_the_admin_prefix_is_refused(tmp_path: Path, prefix: str) -> None:
    """No mount shadows the gateway's own endpoints."""
    _, _, found, accepted = only_fault(tmp_path, MOUNT.replace("/web", prefix))
    assert "over the admin prefix" in found
    assert accepted == 'a prefix outside "/_gateway"'


def test_the_admin_prefix_can_move_out_of_the_way(tmp_path: Path) -> None:
    """The reserved prefix is the configured one."""
    toml = f'[admin]\nprefix = "/ops"\n{MOUNT.replace("/web", "/_gateway")}'
    assert faults_of(tmp_path, toml) == ()


@pytest.mark.parametrize("prefix", ["/", "ops", "/ops/", "/a/.."])
def test_a_bad_admin_prefix_is_refused(tmp_path: Path, prefix: str) -> None:
    """The admin prefix cannot be the root, where it would shadow everything."""
    assert only_fault(tmp_path, f'[admin]\nprefix = "{prefix}"\n{MOUNT}')[1] == "admin.prefix"


def test_no_mounts_is_a_fault(tmp_path: Path) -> None:
    """A gateway without services has nothing to do."""
    assert only_fault(tmp_path, "")[1:3] == ("mounts", "no mounts")


@pytest.mark.parametrize("key", ["name", "prefix", "app"])
def test_a_mount_without_a_required_key_is_reported(tmp_path: Path, key: str) -> None:
    """A missing key says that nothing was found."""
    lines = [line for line in MOUNT.splitlines() if not line.startswith(key)]
    _, spelled, found, _ = only_fault(tmp_path, "\n".join(lines))
    assert spelled.endswith(key)
    assert found == "nothing"


@pytest.mark.parametrize("toml", ["server = 5", "mounts = 5", "[mounts]\nname = 'x'"])
def test_a_value_where_a_table_belongs_is_reported(tmp_path: Path, toml: str) -> None:
    """A section of the wrong shape is a fault, not a traceback."""
    assert faults_of(tmp_path, f"{toml}\n" if "mounts" in toml else f"{toml}\n{MOUNT}")


@pytest.mark.parametrize(
    ("section", "key", "name"),
    [
        ("admin", "token", "GATEWAY_ADMIN__TOKEN"),
        ("session", "secret_key", "GATEWAY_SESSION__SECRET_KEY"),
        ("server", "tls_key_password", "GATEWAY_SERVER__TLS_KEY_PASSWORD"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_never_shown(
    tmp_path: Path, section: str, key: str, name: str
) -> None:
    """Secrets come from the environment, and no message repeats one."""
    file = write_project(tmp_path, f'[{section}]\n{key} = "correct-horse-battery"\n{MOUNT}')
    configuration = read(file, environ={})
    assert name in configuration.faults[0].accepted
    assert "correct-horse" not in str(ConfigurationError(configuration.faults))


def test_a_secret_does_not_appear_in_the_settings_text(tmp_path: Path) -> None:
    """Printing the settings shows no secret."""
    environ = {"GATEWAY_ADMIN__TOKEN": "correct-horse-battery"}
    settings = read(write_project(tmp_path, MOUNT), environ=environ).checked()
    assert "correct-horse" not in repr(settings)


def test_variables_that_kubernetes_sets_are_ignored(tmp_path: Path) -> None:
    """A Kubernetes Service called "gateway" does not break the gateway."""
    environ = {"GATEWAY_PORT": "tcp://10.0.0.1:80", "GATEWAY_SERVICE_HOST": "10.0.0.1"}
    assert faults_of(tmp_path, MOUNT, environ) == ()


@pytest.mark.parametrize("given", ["tls_certificate", "tls_key"])
def test_a_certificate_without_its_key_is_refused(tmp_path: Path, given: str) -> None:
    """TLS needs both files."""
    assert "both or neither" in only_fault(tmp_path, f'[server]\n{given} = "x.pem"\n{MOUNT}')[3]


@pytest.mark.parametrize("origin", ["app.example.com", "https://a.example/path", "*"])
def test_a_bad_trusted_origin_is_refused(tmp_path: Path, origin: str) -> None:
    """An origin is scheme and host, without a path."""
    assert only_fault(tmp_path, f'[edge]\ntrusted_origins = ["{origin}"]\n{MOUNT}')[1] == (
        "edge.trusted_origins"
    )


def edge_fault(folder: Path, setting: str) -> tuple[str, str]:
    _, key, found, _ = only_fault(folder, f"[edge]\n{setting}\n{MOUNT}")
    return key, found


@pytest.mark.parametrize(
    "proxy", ["10.0.0.1/8", "10.0.0.0/33", "proxy.example", "Unix", "", "10.0.0.0/8, 10.1.0.1", "%"]
)
def test_a_trusted_proxy_that_is_no_network_is_refused(tmp_path: Path, proxy: str) -> None:
    """Whom to believe is said in networks, exactly, before anything starts."""
    found = edge_fault(tmp_path, f'trusted_proxies = ["10.0.0.0/8", "{proxy}"]')
    assert found == ("edge.trusted_proxies", f'"{proxy}"')


@pytest.mark.parametrize("proxy", ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1", "unix", "*"])
def test_networks_and_sockets_are_trusted_proxies(tmp_path: Path, proxy: str) -> None:
    """An address is a network of one; the Unix socket and everyone have words of their own."""
    assert faults_of(tmp_path, f'[edge]\ntrusted_proxies = ["{proxy}"]\n{MOUNT}') == ()


@pytest.mark.parametrize(
    "host",
    ["https://a.example", "a.example:80", "A.example", "*", "*.", "a.*.b", "a b", "", "a..b"],
)
def test_an_allowed_host_that_is_no_name_is_refused(tmp_path: Path, host: str) -> None:
    """An entry that could never match a Host header would refuse everybody."""
    found = edge_fault(tmp_path, f'allowed_hosts = ["{host}"]')
    assert found == ("edge.allowed_hosts", f'"{host}"')


@pytest.mark.parametrize("host", ["a.example", "*.a.example", "localhost", "192.0.2.1", "[::1]"])
def test_names_and_addresses_are_allowed_hosts(tmp_path: Path, host: str) -> None:
    """Names, all names below one, and addresses can be served."""
    assert faults_of(tmp_path, f'[edge]\nallowed_hosts = ["{host}"]\n{MOUNT}') == ()


BAD_ORIGINS = ["app.example", "https://a.example/", "https://*.a.example", "null", "ftp://a", ""]


@pytest.mark.parametrize("origin", BAD_ORIGINS)
def test_a_cors_origin_that_is_none_is_refused(tmp_path: Path, origin: str) -> None:
    """What no browser sends as Origin is a mistake, for the edge and for a mount."""
    found = edge_fault(tmp_path, f'cors_origins = ["{origin}"]')
    assert found == ("edge.cors_origins", f'"{origin}"')
    fault = only_fault(tmp_path, f'{MOUNT}cors_origins = ["{origin}"]\n')
    assert fault[1:3] == ('[[mounts]] "web" cors_origins', f'"{origin}"')


@pytest.mark.parametrize("origin", ["*", "http://localhost:3000", "https://a.example"])
def test_origins_and_all_of_them_may_be_cors_origins(tmp_path: Path, origin: str) -> None:
    """One origin, or everybody's pages."""
    toml = f'[edge]\ncors_origins = ["{origin}"]\n{MOUNT}cors_origins = ["{origin}"]\n'
    assert faults_of(tmp_path, toml) == ()


@pytest.mark.parametrize(
    "store", ["memory", "memcached://h", "redis://", "redis://h:x", "rediss//h", "redis://h:0", ""]
)
def test_a_store_of_counts_of_another_kind_is_refused(tmp_path: Path, store: str) -> None:
    """Counting is done in memory or in Redis; nothing else is found out by the first request."""
    assert edge_fault(tmp_path, f'rate_limit_store = "{store}"')[0] == "edge.rate_limit_store"


def test_a_stores_password_is_never_shown(tmp_path: Path) -> None:
    """The address of a store may hold a password, and no message repeats it."""
    for store in ("postgres://u:correct-horse@h", "redis://u:correct-horse@h:x"):
        environ = {"GATEWAY_EDGE__RATE_LIMIT_STORE": store}
        (fault,) = faults_of(tmp_path, MOUNT, environ)
        assert fault.key == "GATEWAY_EDGE__RATE_LIMIT_STORE"
        assert "correct-horse" not in str(fault)


@pytest.mark.parametrize(
    "store",
    ["memory://", "redis://127.0.0.1:6379/0", "rediss://u:p@redis.example", "redis://[::1]"],
)
def test_memory_and_redis_are_stores_of_counts(tmp_path: Path, store: str) -> None:
    """In this process, or in Redis for all."""
    assert faults_of(tmp_path, f'[edge]\nrate_limit_store = "{store}"\n{MOUNT}') == ()


def test_a_redis_without_its_package_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package is an extra; its absence is a fault and not a traceback."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "[redis]" in edge_fault(tmp_path, 'rate_limit_store = "redis://h"')[1]
    assert faults_of(tmp_path, f'[edge]\nrate_limit_store = "memory://"\n{MOUNT}') == ()


@pytest.mark.parametrize(
    "server",
    [
        "drain_delay_seconds = 20",
        "drain_delay_seconds = 20.5",
        "drain_seconds = 3\ndrain_delay_seconds = 3",
    ],
)
def test_a_drain_that_is_all_delay_is_refused(tmp_path: Path, server: str) -> None:
    """The delay counts against the drain, and running requests need some of it."""
    _, key, _, accepted = only_fault(tmp_path, f"[server]\n{server}\n{MOUNT}")
    assert key == "server.drain_delay_seconds"
    assert accepted.startswith("less than drain_seconds")


def test_a_delay_below_the_drain_is_accepted(tmp_path: Path) -> None:
    """Some time is left for the requests."""
    toml = f"[server]\ndrain_seconds = 3\ndrain_delay_seconds = 2.9\n{MOUNT}"
    assert faults_of(tmp_path, toml) == ()


@pytest.mark.parametrize("root_path", ["/..", "/apps/../x", "/."])
def test_a_root_path_with_dot_segments_is_refused(tmp_path: Path, root_path: str) -> None:
    """No client asks for such a path, so nothing would ever be found."""
    _, key, found, _ = only_fault(tmp_path, f'[server]\nroot_path = "{root_path}"\n{MOUNT}')
    assert key == "server.root_path"
    assert "dot segment" in found


@pytest.mark.parametrize(
    "headers",
    ['"X Y" = "a"', '"" = "a"', 'X-A = "a\\r\\nX-B: c"', 'X-A = "\\u20ac"', 'X-A = " a"'],
)
def test_a_security_header_that_no_answer_can_carry_is_refused(
    tmp_path: Path, headers: str
) -> None:
    """Found at the start, and not as an error in every answer."""
    toml = f"[edge]\nsecurity_headers = {{ {headers} }}\n{MOUNT}"
    toml += f"security_headers = {{ {headers} }}\n"
    keys = {fault.key for fault in faults_of(tmp_path, toml)}
    assert keys == {"edge.security_headers", '[[mounts]] "web" security_headers'}


def test_a_security_header_may_be_left_out(tmp_path: Path) -> None:
    """An empty value stands for none; others may have blanks and commas."""
    headers = '{ Referrer-Policy = "", Permissions-Policy = "camera=(), a=(self \\"b\\")" }'
    assert faults_of(tmp_path, f"[edge]\nsecurity_headers = {headers}\n{MOUNT}") == ()


@pytest.mark.parametrize("edge", ["edge = 5", "edge = []", '[edge]\ncors_origins = "x"'])
def test_an_edge_of_another_shape_is_a_fault(tmp_path: Path, edge: str) -> None:
    """A value of the wrong shape is reported, not a traceback."""
    assert faults_of(tmp_path, f"{edge}\n{MOUNT}")


@pytest.mark.parametrize(
    ("setting", "accepted"),
    [
        ("threads = 0", "an integer from 1 to 1000"),
        ("threads = 1.5", "an integer from 1 to 1000"),
        ("queue = -1", "an integer from 0 to 100000"),
        ('adapter = "mod_wsgi"', '"bridge" or "a2wsgi"'),
        ('request_buffering = "none"', '"spool" or "stream"'),
        ("response_timeout_seconds = -1", "seconds, from 0 to 86400"),
        ("write_timeout_seconds = 0", "seconds, above 0 to 86400"),
        ("body_idle_seconds = inf", "seconds, above 0 to 86400"),
    ],
)
def test_a_bad_setting_of_a_bridge_is_refused(tmp_path: Path, setting: str, accepted: str) -> None:
    """What could not work is a fault, and not found out by the first request."""
    assert only_fault(tmp_path, f"{MOUNT}{setting}\n")[3] == accepted


@pytest.mark.parametrize(
    "setting", ['port = "8000"', "port = true", "workers = 1.0", 'access_log = "yes"']
)
def test_a_value_of_another_type_is_refused_in_the_file(tmp_path: Path, setting: str) -> None:
    """TOML has types; only the environment is text."""
    assert only_fault(tmp_path, f"[server]\n{setting}\n{MOUNT}")


def test_a_session_mount_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """The session's mount is one of the mounts."""
    assert only_fault(tmp_path, f'[session]\nmount = "wbe"\n{MOUNT}')[1] == "session.mount"


def test_production_needs_an_admin_token(tmp_path: Path) -> None:
    """Production does not start with an open or guessable admin surface."""
    toml = f'environment = "production"\n{MOUNT}'
    assert only_fault(tmp_path, toml)[1] == "admin.token"
    assert only_fault(tmp_path, toml, {"GATEWAY_ADMIN__TOKEN": "short"})[2] == "a weak secret"
    assert only_fault(tmp_path, toml, {"GATEWAY_ADMIN__TOKEN": "changeme-changeme"})
    assert faults_of(tmp_path, toml, {"GATEWAY_ADMIN__TOKEN": "0123456789abcdef"}) == ()


def test_production_refuses_a_development_session_key(tmp_path: Path) -> None:
    """A key that says that it is for development signs nothing in production."""
    environ = {
        "GATEWAY_ADMIN__TOKEN": "0123456789abcdef",
        "GATEWAY_SESSION__SECRET_KEY": "development-only-key",
    }
    toml = f'environment = "production"\n{MOUNT}'
    assert only_fault(tmp_path, toml, environ)[1] == "GATEWAY_SESSION__SECRET_KEY"


def test_a_missing_file_says_where_was_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each way to name the file has its own message."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"--config\n  found     no file nope\.toml"):
        find_file("nope.toml", {})
    with pytest.raises(
        ConfigurationError, match=r"GATEWAY_CONFIG\n  found     no file other\.toml"
    ):
        find_file(None, {"GATEWAY_CONFIG": "other.toml"})
    with pytest.raises(ConfigurationError, match=r"gateway\.toml and no file config/gateway\.toml"):
        find_file(None, {})


def test_the_default_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`gateway serve` in a project's folder needs no option."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "gateway.toml").touch()
    assert find_file(None, {}) == Path("config/gateway.toml")


@pytest.mark.parametrize("mark", ["pyproject.toml", "setup.py", ".git"])
def test_the_project_is_the_nearest_folder_that_looks_like_one(tmp_path: Path, mark: str) -> None:
    """Services are imported from the project, wherever in it the file stands."""
    (tmp_path / mark).touch()
    file = tmp_path / "deploy" / "config" / "gateway.toml"
    assert Configuration(file, None).project == tmp_path.resolve()


@pytest.mark.parametrize(("folder", "project"), [("config", "."), ("deploy", "deploy")])
def test_without_a_mark_the_project_is_beside_the_configuration(
    tmp_path: Path, folder: str, project: str
) -> None:
    """A container needs no pyproject.toml: `config/gateway.toml` belongs to the folder above."""
    file = tmp_path / folder / "gateway.toml"
    assert Configuration(file, None).project == (tmp_path / project).resolve()
