import importlib.util
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

for name in ("control_server", "mlflow_clients"):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)


@pytest.fixture(scope="session")
def control(tmp_path_factory):
    with sys.modules["control_server"].control_server(tmp_path_factory.mktemp("control") / "home") as running:
        yield running


@pytest.fixture(scope="session")
def control_of(tmp_path_factory):
    """A server for each name."""
    with ExitStack() as stack:
        running = {}

        def of(name):
            if name not in running:
                home = tmp_path_factory.mktemp(f"control-{name}") / "home"
                running[name] = stack.enter_context(sys.modules["control_server"].control_server(home))
            return running[name]

        yield of
