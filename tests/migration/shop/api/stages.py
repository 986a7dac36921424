"""The successor as it is deployed at some steps of the walk; in a project it is one that grows."""

from __future__ import annotations

from fastapi import FastAPI

from . import create_app, programs


def programs_only() -> FastAPI:
    """The routes for programs, mended."""
    return create_app([programs.router], static=False)
