"""The documentation against the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest
from pydantic import SecretStr

from gateway.cli import main
from gateway.config import CompareSettings, all_settings, read
from gateway.health import Health, health_routes
from tests.gateway.asgi import client_of
from tests.gateway.telemetry.services import observed_gateway
from tests.live.serving import run_gateway

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def documented_settings() -> dict[str, str]:
    """Key to the default as docs/configuration.md spells it."""
    found: dict[str, str] = {}
    section = ""
    for line in (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"## `\[+([\w.]+)\]+`", line):
            section = f"{heading[1]}."
        elif row := re.match(r"\| `(\w+)` \| (.+?) \|", line):
            found[section + row[1]] = row[2]
    return found


def spelled(default: object) -> str:  # noqa: PLR0911
    match default:
        case "(required)":
            return "required"
        case bool():
            return f"`{str(default).lower()}`"
        case SecretStr():
            return f'`"{default.get_secret_value()}"`'
        case str():
            return f'`"{default}"`'
        case tuple():
            return f"`{json.dumps(default)}`"
        case CompareSettings():
            return "none"
        case _:
            return f"`{default}`"


def test_every_setting_is_documented_with_its_default() -> None:
    """A setting that nobody can read about does not exist, and a default that is wrong misleads."""
    documented = documented_settings()
    assert documented.keys() == {key for key, _, _ in all_settings()}
    wrong = {
        key: (documented[key], value)
        for key, _, value in all_settings()
        # Of what is not set: what holds instead, in words.
        if documented[key] != spelled(value) and (value is not None or "`" in documented[key][:1])
    }
    assert wrong == {}


def test_every_setting_says_what_it_is_for() -> None:
    """The code carries the purpose of each, too."""
    assert [key for key, purpose, _ in all_settings() if not purpose.endswith(".")] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """A link inside the repository has a file at its end."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_command_and_option_is_documented() -> None:
    """docs/run.md is complete, and docs/switch.md for the commands of the switch."""
    text = (ROOT / "docs" / "run.md").read_text(encoding="utf-8")
    groups = {name: c for name, c in main.commands.items() if isinstance(c, click.Group)}
    for name, command in main.commands.items():
        assert f"gateway {name}" in text
        for parameter in command.params if name not in groups else ():
            assert parameter.opts[0] in text
    assert groups.keys() == {"switch"}
    text = (ROOT / "docs" / "switch.md").read_text(encoding="utf-8")
    for name, command in groups["switch"].commands.items():
        assert f"gateway switch {name}" in text
        for option in command.params:
            assert option.opts[0] in text or isinstance(option, click.Argument)


@pytest.mark.parametrize("page", ["README.md", "docs/host-your-own.md"], ids=str)
def test_configurations_in_the_documentation_are_sound(page: str, tmp_path: Path) -> None:
    """Whoever copies an example gets one that is read without a fault."""
    text = (ROOT / page).read_text(encoding="utf-8")
    examples = re.findall(r"^( *)```toml\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    assert examples
    for number, (_, example) in enumerate(examples):
        file = tmp_path / f"{number}.toml"
        file.write_text(example, encoding="utf-8")
        assert read(file, environ={}).faults == ()


def test_make_targets_in_the_readme_exist() -> None:
    """The two commands, and those beside them."""
    named = set(re.findall(r"\bmake (\w+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    targets = set(
        re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert {"run", "test", "check", "bench", "help"} <= named <= targets


def test_every_endpoint_of_the_gateway_is_documented() -> None:
    """An operator finds each of the gateway's own paths."""
    text = (ROOT / "docs" / "run.md").read_text(encoding="utf-8")
    for path in ["/metrics", *(route.path for route in health_routes(Health()))]:
        assert f"/_gateway{path}" in text


def test_the_production_configuration_has_nothing_to_find() -> None:
    """Given its secrets, it passes `gateway check --strict`."""
    secrets = {
        "GATEWAY_ADMIN__TOKEN": "0123456789abcdef0123456789abcdef",
        "CATALOG_SECRET_KEY": "fedcba9876543210fedcba9876543210",
        "CATALOG_DATABASE_URL": "postgresql://catalog@127.0.0.1:1/catalog",
        "CACHE_REDIS_URL": "redis://127.0.0.1:1/0",
    }
    # In a process of its own: what it imports is not to be imported twice in this one.
    done = run_gateway(
        "check", "--strict", "--config", "config/gateway.production.toml", cwd=ROOT, env=secrets
    )
    assert done.stdout.endswith("no faults, nothing found.\n")
    assert done.returncode == 0


async def test_every_metric_of_the_dashboard_and_the_documentation_exists() -> None:
    """A panel over a metric that nobody exposes is empty for ever."""
    dashboard = (ROOT / "deploy" / "grafana-dashboard.json").read_text(encoding="utf-8")
    documented = (ROOT / "docs" / "observe.md").read_text(encoding="utf-8")
    found = re.findall(r"\b(?:gateway|process)_[a-z_]+[a-z]\b", dashboard + documented)
    named = {re.sub("_(bucket|count)$", "", name) for name in found} - {"gateway_admin_token"}
    app = observed_gateway()
    async with client_of(app) as http:
        await http.get("/web/items/1")
        text = (await http.get("/_gateway/metrics", headers={"Host": "localhost"})).text
    exposed = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    assert len(named) > 15
    assert named - exposed == set()
