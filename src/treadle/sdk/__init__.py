"""The Python client of a Treadle server.

>>> from treadle.sdk import Client
>>> with Client() as treadle:  # doctest: +SKIP
...     treadle.predict("flights", {"carrier": "UA", "distance": 1400.0}).predictions[0].score
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treadle.sdk.bundles import Bundle as Bundle
    from treadle.sdk.bundles import pack as pack
    from treadle.sdk.client import Client as Client

__all__ = ["Bundle", "Client", "pack"]

_HOME = {"Bundle": "bundles", "Client": "client", "pack": "bundles"}

if not TYPE_CHECKING:  # a visible __getattr__ would let checkers accept any misspelt name

    def __getattr__(name: str) -> object:
        import importlib

        if name not in _HOME:
            raise AttributeError(f"module 'treadle.sdk' has no attribute {name!r}; it has {', '.join(__all__)}")
        return getattr(importlib.import_module(f"treadle.sdk.{_HOME[name]}"), name)
