"""Alembic migrations, shipped with the package and run when a store is opened.

A ``pre`` migration only adds: the last release keeps working beside it. A ``post`` migration takes away what the last
release still needed; it ships one release later and raises ``schema_state.oldest_release``.
"""
