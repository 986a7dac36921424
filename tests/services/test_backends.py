"""The servers that the tests start for themselves."""

import pytest

from tests.backends import require


def test_missing_server_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test whose server is not installed is skipped, and says what is missing."""
    monkeypatch.delenv("REQUIRE_SERVICES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-server is not installed"):
        require("no-such-server")


def test_missing_server_fails_where_it_must_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """With REQUIRE_SERVICES=1 the same is a failure."""
    monkeypatch.setenv("REQUIRE_SERVICES", "1")
    with pytest.raises(pytest.fail.Exception, match="no-such-server is not installed"):
        require("no-such-server")
