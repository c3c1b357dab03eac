"""The part of a model file that trains: params, candidate pipelines, fit."""

from __future__ import annotations

from treadle.scaffold.layout import WIDTH, Group, bracketed, call, docstring, lines
from treadle.scaffold.plan import ModelPlan, Role

MANY = 5000
"""From so many rows that train, boosting begins with larger trees."""

SMALL = 1000
"""Under so many rows that train, boosting is allowed smaller leaves."""


def params(plan: ModelPlan) -> list[str]:
    """The params class."""
    chosen = f'"{plan.candidate}"'
    rate, leaves = (0.1, 31) if plan.parts[0] >= MANY else (0.05, 8)
    choices = bracketed("choices=", ['"boosting"', '"forest"', '"linear"'])
    return [
        "@dataclass",
        "class Params:",
        *docstring(
            "What tuning may change: the candidate, and what each one listens to. Its first trial has these defaults.",
            indent=4,
        ),
        "",
        *lines(call("candidate: str = tune", chosen, choices), indent=4),
        *lines(f"learning_rate: float = tune({rate}, low=0.01, high=0.3, log=True)", indent=4, comment="boosting"),
        *lines("trees: int = tune(100, low=30, high=300)", indent=4, comment="boosting, forest"),
        *lines(f"leaves: int = tune({leaves}, low=4, high=63)", indent=4, comment="boosting, forest"),
        *lines("strength: float = tune(1.0, low=0.001, high=100.0, log=True)", indent=4, comment="linear"),
    ]


def candidates(plan: ModelPlan) -> list[str]:
    """The function that builds an unfitted pipeline."""
    regression = plan.label.task == "regression"
    kind = "Regressor" if regression else "Classifier"
    text, numbers = _has(plan)
    linear = ["model = Ridge(alpha=1 / params.strength)" if regression else _LOGISTIC]
    forest = call(
        f"model = RandomForest{kind}",
        "n_estimators=params.trees",
        "max_leaf_nodes=16 * params.leaves",
        "random_state=0",
    )
    boosting = call(
        f"model = HistGradientBoosting{kind}",
        "learning_rate=params.learning_rate",
        "max_iter=params.trees",
        "max_leaf_nodes=params.leaves",
        f"min_samples_leaf={20 if plan.parts[0] >= SMALL else 5}",
        "random_state=0",
    )
    steps = [*(['("categories", encode, CATEGORIES)'] if text else []), *([_SCALED] if numbers else [])]
    return [
        "def pipeline(params: Params) -> Pipeline:",
        *docstring("An unfitted candidate; each takes missing values, and categories never seen.", indent=4),
        '    if params.candidate == "linear":',
        *_lines(_ONE_HOT if text else None, _STANDARD if numbers else None, *linear),
        "    else:",
        *_lines(_ORDINAL if text else None, 'scale = "passthrough"' if numbers else None),
        '        if params.candidate == "forest":',
        *lines(forest, indent=12),
        "        else:",
        *lines(boosting, indent=12),
        *lines(call("columns = ColumnTransformer", bracketed("", steps)), indent=4),
        '    return Pipeline([("columns", columns), ("model", model)])',
    ]


def _lines(*items: str | Group | None) -> list[str]:
    return [line for item in items if item is not None for line in lines(item, indent=8)]


def fit(plan: ModelPlan, variable: str) -> list[str]:
    """The declared training function."""
    label = plan.of(Role.LABEL)
    attribute = "" if label is None else label.attribute
    return [
        f"@{variable}.train",
        "def fit(rows: pl.DataFrame, params: Params) -> Pipeline:",
        *docstring("The candidate that the params name, fitted on the columns listed above.", indent=4),
        *lines(
            call("return pipeline(params).fit", f"rows.select({chosen_columns(plan)})", f'rows["{attribute}"]'),
            indent=4,
        ),
    ]


def chosen_columns(plan: ModelPlan) -> str:
    """The expression for the columns that the model learns from."""
    text, numbers = _has(plan)
    return "CATEGORIES + NUMBERS" if text and numbers else "CATEGORIES" if text else "NUMBERS"


def imports(plan: ModelPlan) -> list[str]:
    """The import lines of scikit-learn, in order."""
    kind = "Regressor" if plan.label.task == "regression" else "Classifier"
    text, numbers = _has(plan)
    encoders = [*(["OneHotEncoder", "OrdinalEncoder"] if text else []), *(["StandardScaler"] if numbers else [])]
    return [
        "from sklearn.compose import ColumnTransformer",
        *imported("sklearn.ensemble", f"HistGradientBoosting{kind}", f"RandomForest{kind}"),
        *(["from sklearn.impute import SimpleImputer"] if numbers else []),
        f"from sklearn.linear_model import {'Ridge' if kind == 'Regressor' else 'LogisticRegression'}",
        "from sklearn.pipeline import Pipeline" + (", make_pipeline" if numbers else ""),
        *imported("sklearn.preprocessing", *encoders),
    ]


def imported(module: str, *names: str) -> list[str]:
    """An import on one line, or in brackets."""
    single = f"from {module} import {', '.join(names)}"
    return [single] if len(single) <= WIDTH else lines(Group(f"from {module} import (", names))


def _has(plan: ModelPlan) -> tuple[bool, bool]:
    """Whether there are categories, and numbers."""
    return any(c.category for c in plan.features), any(not c.category for c in plan.features)


_LOGISTIC = "model = LogisticRegression(C=params.strength, max_iter=2000)"
_ONE_HOT = call("encode = OneHotEncoder", 'handle_unknown="infrequent_if_exist"', "max_categories=30")
_ORDINAL = call("encode = OrdinalEncoder", 'handle_unknown="use_encoded_value"', "unknown_value=-1")
_STANDARD = call("scale = make_pipeline", "SimpleImputer(keep_empty_features=True)", "StandardScaler()")
_SCALED = '("numbers", scale, NUMBERS)'
