from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from treadle.domain.errors import DeclarationError
from treadle.spec.describe import describe
from treadle.spec.script_metadata import ScriptMetadata, read_script_metadata, requirements_of

Load = Callable[[str], ModuleType]

HEADER = """\
# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "polars>=1.34",
#
#   "scikit-learn>=1.9,<2",  # with a comment
# ]
# ///
"""


def test_the_header_is_read() -> None:
    expected = ScriptMetadata(("polars>=1.34", "scikit-learn>=1.9,<2"), ">=3.11")
    assert read_script_metadata(f"#!/usr/bin/env python\n{HEADER}import x\n", "m.py") == expected
    assert read_script_metadata(HEADER.replace("\n", "\r\n"), "m.py") == expected
    assert read_script_metadata(HEADER.rstrip("\n"), "m.py") == expected
    assert read_script_metadata("# /// script\n#\n# ///\n", "m.py") == ScriptMetadata()
    assert read_script_metadata('"""No header."""\n', "m.py") is None


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("\n# /// script\n# dependencies = []\nimport x\n", 2, "does not end"),
        ("# /// script\n#dependencies = []\n# ///\n", 1, "does not end"),
        (HEADER + HEADER, 9, "two script headers"),
        ('# /// script\n# requires-python = ">=3.11"\n# dependencies = ["a"\n# x = 1\n# ///\n', 4, "no TOML"),
        ('# /// script\n# dependencies = "polars"\n# ///\n', 1, "no list of requirements"),
        ("# /// script\n# dependencies = [1]\n# ///\n", 1, "no list of requirements"),
        ("# /// script\n# requires-python = 3.11\n# ///\n", 1, "requires-python is 3.11"),
    ],
)
def test_a_wrong_header_is_refused(text: str, line: int, message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        read_script_metadata(text, "m.py")
    assert (caught.value.file, caught.value.line) == ("m.py", line)
    assert message in caught.value.message
    assert caught.value.hint


def test_a_package_has_its_requirements_in_its_project(tmp_path: Path) -> None:
    package = tmp_path / "src" / "late_flights"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    model = package / "model.py"
    model.write_text('"""A model."""\n')
    assert requirements_of(model) == ScriptMetadata()
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\nrequires-python = ">=3.12"\ndependencies = ["polars"]\n')
    assert requirements_of(model) == ScriptMetadata(("polars",), ">=3.12")
    model.write_text(HEADER)
    assert requirements_of(model).requirements == ("polars>=1.34", "scikit-learn>=1.9,<2")
    model.write_text("")
    project.write_text("[project\n")
    with pytest.raises(DeclarationError, match="no TOML"):
        requirements_of(model)


def test_a_module_is_described_with_its_requirements(load: Load, whole: str) -> None:
    spec = describe(load(HEADER + whole))
    assert spec.requirements == ("polars>=1.34", "scikit-learn>=1.9,<2")
    assert spec.requires_python == ">=3.11"
    assert spec.name == "flights"


def test_a_module_without_a_file_has_no_requirements(load: Load, whole: str) -> None:
    module = load(HEADER + whole)
    module.__file__ = None
    assert describe(module).requirements == ()


def test_a_module_declares_one_model(load: Load, whole: str) -> None:
    with pytest.raises(DeclarationError, match="declares no model") as caught:
        describe(load("x = 1\n"))
    assert caught.value.line == 1
    assert describe(load(f"{whole}alias = flights\n")).name == "flights"
    with pytest.raises(DeclarationError, match=r"more than one model: flights \(line 16\) and other \(line 25\)"):
        describe(load(f"{whole}other = Model('other', Flight, label=Flight.late)\n"))
