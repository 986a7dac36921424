"""`wsgi.file_wrapper` (PEP 3333, "Optional Platform-Specific File Handling")."""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Iterator
from typing import Any

FILE_BLOCK_BYTES = 256 * 1024
# What the standard library's wrapper reads, where nothing is said.
_USUAL_BLOCK_BYTES = 8192


class FileWrapper:
    """`wsgi.file_wrapper`: a file in blocks, closed with the answer.

    Its own iterator, as the standard library's: what wraps it once more, as Werkzeug does for a
    range, closes what it iterates over.

    The block size is a suggestion (PEP 3333); larger ones cost less. But a pipe that is asked for
    more would keep back what it has.
    """

    def __init__(self, file: Any, block_size: int = _USUAL_BLOCK_BYTES) -> None:
        self.file = file
        self.block_size = max(block_size, FILE_BLOCK_BYTES) if _is_at_hand(file) else block_size

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block: bytes = self.file.read(self.block_size)
        if not block:
            raise StopIteration
        return block

    def close(self) -> None:
        """Close the file, if it can be closed."""
        if hasattr(self.file, "close"):
            self.file.close()


def _is_at_hand(file: Any) -> bool:
    """Whether reading from a file never waits for somebody to write."""
    # The latter would be moved to the disk by being asked for its number.
    if isinstance(file, (io.BytesIO, tempfile.SpooledTemporaryFile)):
        return True
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except (AttributeError, OSError, TypeError, ValueError):
        return False
