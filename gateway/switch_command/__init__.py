"""The `gateway switch` command: what a migration has come to, and its next step."""

from gateway.switch_command.commands import switch

__all__ = ["switch"]
