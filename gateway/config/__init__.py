"""Settings: a TOML file, the environment over it, the command line over both.

`find_file` says which file, `read` reads and validates everything, and a `Configuration` carries
the frozen `Settings` or every `Fault` that keeps them from being used.
"""

from gateway.config.faults import ConfigurationError, Fault
from gateway.config.mounts import CompareSettings, MountSettings, RuleSettings
from gateway.config.origins import Origin
from gateway.config.reading import (
    SECRET_ACCEPTED,
    Configuration,
    find_file,
    is_development_secret,
    read,
)
from gateway.config.settings import (
    AdminSettings,
    EdgeSettings,
    ServerSettings,
    SessionSettings,
    Settings,
    SwitchSettings,
    all_settings,
)
from gateway.config.switches import is_address

__all__ = [
    "SECRET_ACCEPTED",
    "AdminSettings",
    "CompareSettings",
    "Configuration",
    "ConfigurationError",
    "EdgeSettings",
    "Fault",
    "MountSettings",
    "Origin",
    "RuleSettings",
    "ServerSettings",
    "SessionSettings",
    "Settings",
    "SwitchSettings",
    "all_settings",
    "find_file",
    "is_address",
    "is_development_secret",
    "read",
]
