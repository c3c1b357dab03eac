"""Prints the control plane's OpenAPI document, from which ``npm run types`` makes ``src/api/schema.ts``."""

import json
import sys
from types import SimpleNamespace
from typing import Any, cast

from treadle.api.app import create_app

services: Any = SimpleNamespace(version="0", hosts=(), events=None)
document = create_app(cast("Any", services)).openapi()
json.dump(document, sys.stdout, indent=1, sort_keys=True)
sys.stdout.write("\n")
