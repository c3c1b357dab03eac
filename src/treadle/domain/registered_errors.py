"""What is wrong with a request to the registry, in the words that MLflow's clients know; every store says it alike."""

from __future__ import annotations

from treadle.domain.errors import Conflict, InvalidInput, NotFound


def no_model(name: str) -> NotFound:
    """There is no registered model of this name."""
    return NotFound(f"Registered Model with name={name} not found", hint="search registered models to see them")


def model_exists(name: str) -> Conflict:
    """The name is in use."""
    return Conflict(f"Registered Model (name={name}) already exists.", hint="take another name, or add a version to it")


def no_version(name: str, number: int | str) -> NotFound:
    """The model has no such version."""
    return NotFound(f"Model Version (name={name}, version={number}) not found", hint="search its versions to see them")


def no_alias(alias: str) -> InvalidInput:
    """The model has no such alias."""
    return InvalidInput(
        f"Registered model alias {alias} not found.", hint="get the registered model to see its aliases"
    )


def owned_model(name: str, what: str) -> InvalidInput:
    """The loop trains versions of this model."""
    return InvalidInput(
        f"Registered Model (name={name}) is trained by Treadle and cannot be {what}",
        hint="its name and its life are told in its model file",
    )


def owned_version(name: str, number: int, what: str) -> InvalidInput:
    """The loop trained this version."""
    return InvalidInput(
        f"Model Version (name={name}, version={number}) was trained by Treadle and cannot be {what}",
        hint=f"Treadle moves it by its gates; by hand: treadle promote {name} {number}",
    )


def owned_alias(name: str, alias: str) -> InvalidInput:
    """The loop moves this alias."""
    return InvalidInput(
        f"The alias '{alias}' of Registered Model (name={name}) is moved by Treadle alone",
        hint=f"promote a version with: treadle promote {name} <version>, or take another alias",
    )


def no_logged_model(model_id: str) -> NotFound:
    """There is no logged model with this id, or it is deleted."""
    return NotFound(f"Logged model with ID '{model_id}' not found.", hint="search logged models to see which there are")


def no_logged_model_tag(model_id: str, key: str) -> NotFound:
    """The logged model has no such tag."""
    return NotFound(
        f"No tag with key '{key}' found for model with ID '{model_id}'.", hint="get the model to see its tags"
    )


def param_changed(model_id: str, key: str) -> InvalidInput:
    """Params of a logged model are set once."""
    return InvalidInput(
        f"Changing param values is not allowed. Param with key='{key}' was already logged for logged model "
        f"ID='{model_id}'.",
        hint="params are set once; log another model, or set a tag",
    )
