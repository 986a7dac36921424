"""Import string -> service: what each mount names, imported, built once and told apart."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette

from gateway.config import (
    SECRET_ACCEPTED,
    Configuration,
    ConfigurationError,
    Fault,
    MountSettings,
    is_address,
    is_development_secret,
)
from gateway.switch.rules import RouteSet
from gateway.switch.rules.building import faults_beside, rules_of
from gateway.url_maps import routes_of

Interface = Literal["asgi", "wsgi"]

_INTERFACES: dict[int, Interface] = {2: "wsgi", 3: "asgi"}  # by the number of arguments


@dataclass(frozen=True, eq=False)
class Service:
    """An application that the gateway hosts.

    Attributes:
        mount: The settings that name it. A service that only a switch leads to has the switch's
            prefix and host.
        app: The application itself.
        interface: How it is called.
        hidden: Whether only a switch leads to it.
    """

    mount: MountSettings
    app: Any
    interface: Interface
    hidden: bool = False

    @property
    def name(self) -> str:
        """The name of its mount."""
        return self.mount.name

    @property
    def stack(self) -> str:
        """The framework, as people call it; else the interface."""
        if isinstance(self.app, Flask):
            return "Flask"
        if isinstance(self.app, FastAPI):
            return "FastAPI"
        if isinstance(self.app, Starlette):
            return "Starlette"
        return self.interface.upper()

    @property
    def adapter(self) -> str | None:
        """What carries requests to it; None where it is called directly."""
        return self.mount.adapter if self.interface == "wsgi" else None


class _Unusable(Exception):
    """A mount whose service cannot be had: the faulty key and what was found there."""

    def __init__(self, key: str, found: str) -> None:
        super().__init__(found)
        self.key = key
        self.found = found


def load_services(configuration: Configuration) -> list[Service]:
    """Import and build the service of every sound mount.

    Returns:
        The services, in mount order.

    Raises:
        ConfigurationError: Something is wrong with the configuration or with a service: all faults
            of both.
    """
    for folder in (configuration.file.resolve().parent, configuration.project):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    services: list[Service] = []
    faults: list[Fault] = list(configuration.faults)
    switches = [mount for mount in configuration.mounts if mount.switch is not None]
    for mount in configuration.mounts:
        if not mount.app:
            continue
        try:
            service = _behind_switch(_load(mount, configuration.project), switches)
        except _Unusable as unusable:
            faults.append(configuration.mount_fault(mount, unusable.key, unusable.found))
            continue
        services.append(service)
        if configuration.in_production and _signs_with_development_secret(service.app):
            found = "a Flask app with a development SECRET_KEY, in production"
            faults.append(configuration.mount_fault(mount, "app", found, SECRET_ACCEPTED))
    for switch in switches:
        faults += _faults_of_rules(configuration, switch, services)
    if faults:
        raise ConfigurationError(faults)
    return services


def sides_of(switch: MountSettings, services: Iterable[Service]) -> tuple[Service, Service | None]:
    """The two services of a switch's mount; None for a candidate that is an address.

    Raises:
        LookupError: The legacy service is not among them, or a candidate that is no address.
    """
    sides = switch.switch
    by_name = {service.name: service for service in services}
    if sides is None:
        raise LookupError(f'mount "{switch.name}" is no switch')
    candidate = None if is_address(sides.candidate) else by_name[sides.candidate]
    return by_name[sides.legacy], candidate


def route_set(service: Service | None) -> RouteSet:
    """The routes of a service; those of one at an address can be any."""
    if service is None:
        return RouteSet([(("*",), "/*")])
    return RouteSet((methods, template) for methods, template, _ in routes_of(service.app))


def interface_of(app: object) -> Interface | None:
    """Tell ASGI from WSGI by how an application wants to be called.

    Returns:
        "wsgi" for two positional arguments (PEP 3333: environ, start_response), "asgi" for three
        (ASGI 3: scope, receive, send), None where it is neither or cannot be told.
    """
    if not callable(app) or inspect.isclass(app):
        return None
    try:
        parameters = inspect.signature(app).parameters.values()
    except (TypeError, ValueError):
        return None
    positional = [p for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
    required = sum(p.default is p.empty for p in positional)
    if any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters):
        return None
    interface = _INTERFACES.get(required)
    return None if interface == "wsgi" and inspect.iscoroutinefunction(app) else interface


def _load(mount: MountSettings, project: Path) -> Service:
    app = _import(mount.app, project)
    if mount.factory:
        app = _call_factory(app, project)
    interface = interface_of(app) if mount.interface == "auto" else mount.interface
    if interface is None:
        raise _Unusable("app", _describe(app, factory=mount.factory))
    if not callable(app):
        raise _Unusable("app", f"{_kind(app)}, which cannot be called")
    return Service(mount, app, interface)


def _behind_switch(service: Service, switches: Iterable[MountSettings]) -> Service:
    """The service, where it answers."""
    mount = service.mount
    for switch in switches:
        sides = switch.switch
        if not mount.prefix and sides and mount.name in {sides.legacy, sides.candidate}:
            where = {"prefix": switch.prefix, "host": switch.host}
            return replace(service, mount=mount.model_copy(update=where), hidden=True)
    return service


def _faults_of_rules(
    configuration: Configuration, switch: MountSettings, services: Sequence[Service]
) -> Iterator[Fault]:
    """What is wrong with the rules of a switch whose services could be loaded."""
    sides = switch.switch
    try:
        rules = rules_of(switch)
        legacy, candidate = sides_of(switch, services)
    except (LookupError, ValueError) as error:
        if isinstance(error, ValueError):
            yield configuration.mount_fault(switch, "rules", str(error))
        return
    prefix = switch.prefix.rstrip("/")
    # Those for another host are asked for other requests, those for any host after these.
    mounts = [mount for mount in configuration.mounts if mount.host == switch.host]
    prefixes = [mount.prefix for mount in mounts if mount is not switch]
    if configuration.settings is not None:
        prefixes.append(configuration.settings.admin.prefix)
    inner = [one.removeprefix(prefix) for one in prefixes if one.startswith(f"{prefix}/")]
    named = (
        (legacy.name, route_set(legacy)),
        (sides.candidate if sides else "", route_set(candidate)),
    )
    for fault in faults_beside(rules, *named, [one for one in inner if one != "/"]):
        key = f"rule {rules[fault.index].name}"
        yield configuration.mount_fault(switch, key, fault.what, fault.mend)


def _signs_with_development_secret(app: object) -> bool:
    if not isinstance(app, Flask):
        return False
    keys = [app.secret_key, *(app.config["SECRET_KEY_FALLBACKS"] or [])]
    return any(key and is_development_secret(key) for key in keys)


def _import(target: str, project: Path) -> Any:
    module_name, _, attribute = target.partition(":")
    try:
        missing = _missing_module(module_name)
        found: Any = None if missing else importlib.import_module(module_name)
    except (Exception, SystemExit, GeneratorExit) as error:
        raise _Unusable(
            "app", f'importing "{module_name}" failed: {_reason(error, project)}'
        ) from error
    if missing:
        raise _Unusable("app", f'no module "{missing}" in the project or installed')
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            names = ", ".join(sorted(_candidates(found))) or "nothing that can be called"
            raise _Unusable(
                "app", f'"{module_name}" has no attribute "{attribute}"; it has {names}'
            ) from None
        except Exception as error:  # a module's own __getattr__ may raise anything
            reason = _reason(error, project)
            raise _Unusable("app", f'"{attribute}" cannot be had: {reason}') from error
    return found


def _missing_module(name: str) -> str | None:
    """The first part of a dotted name that does not exist; importing its parents as it goes."""
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        partial = ".".join(parts[:count])
        if find_spec(partial) is None:
            return partial
    return None


def _call_factory(factory: Any, project: Path) -> Any:
    if not callable(factory):
        raise _Unusable("factory", f"true, but the attribute is {_kind(factory)}")
    try:
        inspect.signature(factory).bind()
    except TypeError:
        wants = str(inspect.signature(factory))
        raise _Unusable("factory", f"true, but calling it needs arguments: {wants}") from None
    except ValueError:
        pass  # a built-in without a signature: calling it will tell
    try:
        return factory()
    except (Exception, SystemExit, GeneratorExit) as error:
        raise _Unusable("app", f"the factory raised {_reason(error, project)}") from error


def _reason(error: BaseException, project: Path) -> str:
    """What a service's own code says went wrong, and the place in the project where it did."""
    text = "".join(traceback.format_exception_only(error)).strip()
    if isinstance(error, SyntaxError):  # the file that holds it has no frame
        first = f"{type(error).__name__}: {error.msg}"
        return f"{first} ({error.filename}:{error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    inside = [f for f in frames if Path(f.filename).is_relative_to(project)]
    own = [f for f in inside if "site-packages" not in f.filename and f.filename != __file__]
    first, _, rest = text.partition("\n")
    place = f" ({own[-1].filename}:{own[-1].lineno})" if own else ""
    return f"{first}{place}" + (f"\n{rest}" if rest else "")


def _describe(app: Any, *, factory: bool) -> str:
    if inspect.iscoroutine(app):
        app.close()
        return "what an async factory returns; a factory is a plain function"
    if inspect.isclass(app):
        return f"the class {app.__name__}; is it a factory? Then set factory = true"
    if callable(app) and not factory and _takes_nothing(app):
        return f"{_kind(app)} without arguments; is it a factory? Then set factory = true"
    if callable(app):
        return (
            f"{_kind(app)}, which is called neither like WSGI nor like ASGI; "
            'if it is one of them, set interface = "wsgi" or "asgi"'
        )
    return f"{_kind(app)}, which is neither WSGI nor ASGI"


def _takes_nothing(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return all(p.default is not p.empty for p in parameters)


def _kind(value: object) -> str:
    if inspect.isfunction(value):
        return f"the function {value.__name__}{inspect.signature(value)}"
    return "None" if value is None else f"an object of type {type(value).__name__}"


def _candidates(module: object) -> Iterable[str]:
    """What the user may have meant: the module's own functions and the services in it."""
    for name, value in vars(module).items():
        if name.startswith("_") or inspect.isclass(value) or not callable(value):
            continue
        defined_here = getattr(value, "__module__", None) == getattr(module, "__name__", "")
        if inspect.isfunction(value) == defined_here and (defined_here or interface_of(value)):
            yield name
