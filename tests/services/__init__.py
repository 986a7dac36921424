"""Tests of the two reference services."""
