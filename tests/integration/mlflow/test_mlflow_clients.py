"""Unmodified clients of MLflow 3 and 2, in environments of their own, against a real control process."""

import pytest
from mlflow_clients import checks_of, client_python, outcome

MODULES = {
    "mlflow3": (
        "tracking_checks",
        "autolog_checks",
        "boosting_checks",
        "cli_checks",
        "artifact_checks",
        "webhook_checks",
        "registry_checks",
        "logged_models_checks",
    ),
    "mlflow2": ("tracking_checks", "autolog_checks", "artifact_checks", "registry_checks"),
}
CASES = [
    (client, module, check) for client, modules in MODULES.items() for module in modules for check in checks_of(module)
]


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory, control_of):
    """What became of the checks of a client and a module; each pair runs once, on a server of the client's own."""
    known = {}

    def of(client, module):
        if (client, module) not in known:
            where = tmp_path_factory.mktemp(f"{client}-{module}")
            known[client, module] = outcome(client_python(client), control_of(client).url, module, where)
        return known[client, module]

    return of


@pytest.mark.timeout(900)  # the first one builds its client's environment
@pytest.mark.parametrize(("client", "module", "check"), CASES, ids=["-".join(case) for case in CASES])
def test_a_client(outcomes, client, module, check):
    found = outcomes(client, module)[check]
    assert found == "ok", found
