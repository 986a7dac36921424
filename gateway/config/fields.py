"""How a setting is declared: its default, what it is for, what it accepts."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

RATE = r"^(off|)$|^ *[1-9][0-9]* *(/|per) *([1-9][0-9]* *)?(second|minute|hour|day)s? *$"
RATE_ACCEPTS = '"100/minute", "10 per second", "1000/2 hours", "off"'


def setting(default: Any, purpose: str, accepts: str, **constraints: Any) -> Any:
    """A setting. `accepts` is for the person who wrote something else."""
    if isinstance(default, bool | int | float):
        # TOML has types, so "8000" is no port there. What comes from the environment is text, and
        # `read` converts it first.
        constraints["strict"] = True
    return Field(
        default, description=purpose, json_schema_extra={"accepts": accepts}, **constraints
    )


def seconds(default: float, purpose: str, *, or_zero: bool = False) -> Any:
    """A duration. A day is more than enough, and less than what timers can hold."""
    lowest = {"ge": 0} if or_zero else {"gt": 0}
    accepts = f"seconds, {'from 0' if or_zero else 'above 0'} to 86400"
    return setting(default, purpose, accepts, le=86400, allow_inf_nan=False, **lowest)


class Section(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
