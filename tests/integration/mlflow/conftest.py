import importlib.util
import sys
from pathlib import Path

import pytest

NAME = "control_server"

if NAME not in sys.modules:
    spec = importlib.util.spec_from_file_location(NAME, Path(__file__).with_name(f"{NAME}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)


@pytest.fixture(scope="session")
def control(tmp_path_factory):
    with sys.modules[NAME].control_server(tmp_path_factory.mktemp("control") / "home") as running:
        yield running
