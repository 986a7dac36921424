"""Response headers that tell browsers to be careful, where a service has not set them itself."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import Message

from gateway.exchange import Exchange


class SecurityHeaders:
    """Adds headers to every answer, whoever gives it: an observer of exchanges.

    Args:
        default: Header names and values; an empty value stands for none.
        mounts: What differs for a mount, by its name.
    """

    def __init__(self, default: Mapping[str, str], mounts: Mapping[str, Mapping[str, str]]) -> None:
        self._default = _encoded(default)
        self._mounts = {name: _encoded({**default, **own}) for name, own in mounts.items() if own}

    def __call__(self, exchange: Exchange, message: Message) -> None:
        """Add what the answer lacks."""
        wanted = self._mounts.get(exchange.mount, self._default)
        present = exchange.answer_fields
        if wanted.keys().isdisjoint(present):
            message["headers"] += wanted.items()
        else:
            message["headers"] += [pair for pair in wanted.items() if pair[0] not in present]


def _encoded(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    # One spelling for each name: the last that was given counts.
    spelled = {name.lower(): value for name, value in headers.items()}
    return {name.encode(): value.encode("latin-1") for name, value in spelled.items() if value}
