"""Settings: a TOML file, the environment over it, the command line over both.

`find_file` says which file, `read` reads and validates everything, and a `Configuration` carries
the frozen `Settings` or every `Fault` that keeps them from being used.
"""

from gateway.config.faults import ConfigurationError, Fault
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
    MountSettings,
    ServerSettings,
    SessionSettings,
    Settings,
    all_settings,
)

__all__ = [
    "SECRET_ACCEPTED",
    "AdminSettings",
    "Configuration",
    "ConfigurationError",
    "EdgeSettings",
    "Fault",
    "MountSettings",
    "Origin",
    "ServerSettings",
    "SessionSettings",
    "Settings",
    "all_settings",
    "find_file",
    "is_development_secret",
    "read",
]
