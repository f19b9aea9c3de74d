import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import equipoise


def test_every_public_name_is_there() -> None:
    for name in equipoise.__all__:
        assert getattr(equipoise, name) is not None


def test_no_public_name_is_shadowed_by_a_module() -> None:
    """Importing a module of the package binds its name in the package."""
    modules = {module.name for module in pkgutil.iter_modules(equipoise.__path__)}
    assert not modules & set(equipoise.__all__)


def test_the_example_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    small = "n=3000, measure_n=300, generator='toy'"
    code = code.replace("n=10_000", small).replace('"digiface-dcgan"', '"toy"')
    assert small in code
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
    assert "smiling=yes, skin_tone=dark: " in capsys.readouterr().out


def test_importing_loads_nothing_heavy() -> None:
    heavy = "('torch', 'sklearn', 'numpy')"
    code = f"import sys, equipoise.cli; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_missing_name_is_named() -> None:
    try:
        equipoise.nonsense  # noqa: B018
    except AttributeError as error:
        assert "nonsense" in str(error)


def test_the_conda_recipe_asks_for_what_the_package_does() -> None:
    root = Path(__file__).parents[1]
    recipe = (root / "packaging" / "conda" / "recipe.yaml").read_text()
    asked = re.findall(r"^    - (\S+ >=\S+)$", recipe.partition("  run:\n")[2], re.MULTILINE)
    with (root / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    wanted = {f"python {project['requires-python']}"}
    names = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
    for line in project["dependencies"]:
        name, least = line.split(">=")
        wanted.add(f"{names.get(name, name)} >={least}")
    assert {*asked, "ai-edge-litert >=2.0"} == wanted
    assert f'version: "{equipoise.__version__}"' in recipe
