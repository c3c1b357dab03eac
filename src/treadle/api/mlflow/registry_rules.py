"""The registry's rules: names, aliases, versions, stages, tags, and who changes something why."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable

from treadle.api.mlflow import rules
from treadle.api.mlflow.bodies import SEE, invalid_value, missing_value
from treadle.api.mlflow.calls import Call
from treadle.api.mlflow.errors import ProtocolError
from treadle.domain.registered import PROMPT_TAG, Change, Stage
from treadle.domain.search import AllOf, AnyOf, Column, Comparison, Condition, Kind, Op
from treadle.wire.mlflow.fields import Pair

MAX_MODELS = 1000
MAX_VERSIONS = 200_000
MAX_ALIAS = 255
ACTIVE_STAGES = ["Staging", "Production"]
PROMPT_SOURCES = frozenset({"dummy-source", "prompt-template"})
_ALIAS = re.compile(r"[\w-]*")
_VERSION_ALIAS = re.compile(r"[vV]\d+")
_STAGES = {stage.value.lower(): stage for stage in Stage}
_PROMPT = Column(Kind.TAG, PROMPT_TAG)
_USER = re.compile(r"[^\x00-\x1f\x7f]{1,100}")


def change(call: Call, reason: str | None = None) -> Change:
    """Now, by whom the request says that it is (who that is nobody has checked), and why."""
    return Change(call.services.clock.now(), user(call) or "mlflow", (reason or "")[:2000])


def user(call: Call) -> str | None:
    """The name that a client gives with MLFLOW_TRACKING_USERNAME."""
    scheme, _, given = call.headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        name = base64.b64decode(given, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name if _USER.fullmatch(name) else None


def model_name(given: str | None, path: str = "name") -> str:
    """What a registered model may be called. Raises ProtocolError."""
    name = rules.required(given, path)
    if not name.strip():
        raise missing_value(path)
    if "/" in name or ":" in name:
        raise invalid(f"Invalid model name '{name}'. Names cannot contain '/' or ':'.")
    fault = rules.path_fault(name)
    if fault is not None:
        raise invalid_value("name", name, fault)
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        raise invalid_value("name", name, "Names cannot have control characters.")
    return name


def version_number(given: str | int | None, path: str = "version") -> int:
    """The number of a version; 0, which none has, for one that is too great. Raises ProtocolError."""
    if given is None or given == "":
        raise missing_value(path)
    text = str(given).strip()
    if not re.fullmatch(r"[+-]?\d+", text):
        raise invalid(f"Parameter '{path}' must be an integer, got '{text[:100]}'.")
    return int(text) if len(text) < 10 else 0


def alias(given: str | None, *, new: bool = False) -> str:
    """The name of an alias; a ``new`` one is none of those that are reserved. Raises ProtocolError."""
    name = rules.required(given, "alias")
    if not _ALIAS.fullmatch(name):
        raise invalid(
            f"Invalid alias name: '{name}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )
    if len(name) > MAX_ALIAS:
        raise invalid(f"'Registered model alias name' exceeds the maximum length of {MAX_ALIAS} characters")
    if new and name.lower() == "latest":
        raise invalid("'latest' alias name (case insensitive) is reserved.")
    if new and _VERSION_ALIAS.fullmatch(name):
        raise invalid(f"Version alias name '{name}' is reserved.")
    return name


def stage(given: str | None) -> Stage:
    """A stage, whatever its case. Raises ProtocolError."""
    text = rules.required(given, "stage")
    found = _STAGES.get(text.lower())
    if found is None:
        known = ", ".join(each.value for each in Stage)
        raise invalid(f"Invalid Model Version stage: {text}. Value must be one of {known}.")
    return found


def tag_key(given: str | None) -> str:
    """The name of a tag. Raises ProtocolError."""
    key = rules.required(given, "key")
    rules.check_name(key, "key", "key")
    return key


def tags(given: Iterable[Pair] | None) -> dict[str, str]:
    """Tags; of two with one key the last counts. Raises ProtocolError."""
    return {tag_key(pair.key): pair.value or "" for pair in given or ()}


def page_size(given: int | None, default: int, most: int) -> int:
    """How many are asked for at once. Raises ProtocolError."""
    wanted = default if given is None else given
    if wanted < 1:
        raise invalid(f"Invalid value for max_results. It must be a positive integer, but got {wanted}")
    if wanted > most:
        raise invalid_value("max_results", wanted, f" Hint: It must be at most {most}.{SEE}")
    return wanted


def is_prompt(given: dict[str, str]) -> bool:
    """Whether tags say that a model is a prompt."""
    return given.get(PROMPT_TAG, "false").lower() == "true"


def without_prompts(condition: Condition) -> Condition:
    """A condition of models that leaves prompts out, unless it asks for them."""
    terms = condition.terms if isinstance(condition, AllOf) else (condition,)
    about = [term for term in terms if isinstance(term, Comparison) and term.column == _PROMPT]
    for term in about:
        says = str(term.value).lower()
        if (term.op, says) in ((Op.EQ, "true"), (Op.NE, "false")):
            rest = tuple(other for other in terms if other not in about)
            return AllOf((*rest, Comparison(_PROMPT, Op.EQ, "true")))
    none = AnyOf((Comparison(_PROMPT, Op.IS_NULL), Comparison(_PROMPT, Op.NE, "true")))
    return AllOf((*(other for other in terms if other not in about), none))


def invalid(message: str) -> ProtocolError:
    """The refusal of a value."""
    return ProtocolError("INVALID_PARAMETER_VALUE", message)
