"""Passwords, hashed by scrypt."""

from functools import cache

from werkzeug.security import check_password_hash, generate_password_hash

METHOD = "scrypt"


def hash_password(password: str) -> str:
    """Hash a password with a new salt, for the database."""
    return generate_password_hash(password, method=METHOD)


def verify(stored_hash: str | None, password: str) -> bool:
    """Check a password, in the same time whether or not there is such a user.

    Args:
        stored_hash: The user's hash, or none where there is no such user.
        password: What was sent.

    Returns:
        Whether the password is the user's.
    """
    matches = check_password_hash(stored_hash or _hash_of_nobody(), password)
    return matches and stored_hash is not None


@cache
def _hash_of_nobody() -> str:
    return hash_password("nobody")
