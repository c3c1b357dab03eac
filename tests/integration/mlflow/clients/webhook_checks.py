"""Webhooks of MLflow 3."""

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

URL = "https://93.184.216.34/hook"


def refused(method, *given, **named):
    """The error of a call that fails."""
    try:
        method(*given, **named)
    except MlflowException as error:
        return error
    raise AssertionError("it was taken")


def check_the_life_of_a_webhook():
    client = MlflowClient()
    hook = client.create_webhook(
        "ci", URL, ["registered_model.created", "model_version_alias.created"], description="d", secret="s"
    )
    assert (hook.name, hook.url, hook.description, str(hook.status)) == ("ci", URL, "d", "ACTIVE")
    assert [str(event) for event in hook.events] == ["registered_model.created", "model_version_alias.created"]
    assert hook.secret is None
    assert client.get_webhook(hook.webhook_id).name == "ci"
    changed = client.update_webhook(hook.webhook_id, name="cd", status="DISABLED")
    assert (changed.name, str(changed.status)) == ("cd", "DISABLED")
    for number in range(3):
        client.create_webhook(f"more-{number}", URL, ["prompt.created"])
    page = client.list_webhooks(max_results=3)
    rest = client.list_webhooks(max_results=3, page_token=page.token)
    assert len(page) == 3
    assert [each.name for each in rest] == ["cd"]
    assert not rest.token
    for each in [*page, *rest]:
        client.delete_webhook(each.webhook_id)
    assert client.list_webhooks() == []
    assert refused(client.get_webhook, hook.webhook_id).error_code == "RESOURCE_DOES_NOT_EXIST"


def check_what_is_refused():
    client = MlflowClient()
    for name, url in (
        ("a b", URL),
        ("ci", "http://93.184.216.34/"),
        ("ci", "https://127.0.0.1/"),
        ("ci", "https://[::1]/"),
    ):
        error = refused(client.create_webhook, name, url, ["prompt.created"])
        assert error.error_code == "INVALID_PARAMETER_VALUE"


def check_a_test_message_to_nobody():
    client = MlflowClient()
    hook = client.create_webhook("dead", URL, ["prompt.created"])
    client.delete_webhook(hook.webhook_id)
    assert refused(client.test_webhook, hook.webhook_id).error_code == "RESOURCE_DOES_NOT_EXIST"
