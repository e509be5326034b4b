"""The directions of the arrows: config -> components -> contracts, and nothing sideways."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED = {
    "ca_bundle",
    "certificate",
    "contracts",
    "external",
    "external_secret",
    "kubernetes_object",
    "network",
    "release",
    "secret_version",
}
COMPONENTS = sorted(
    path for path in (ROOT / "components").glob("*.py") if path.stem not in {"__init__", *SHARED}
)
VALUES = sorted((ROOT / "components/values").rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Every module a file imports, as dotted names from the project's root."""
    package = ".".join(path.relative_to(ROOT).parent.parts)
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1]
            prefix = ".".join(base) if node.level else ""
            names.add(f"{prefix}.{node.module}".strip(".") if node.module else prefix)
    return names


@pytest.mark.parametrize("path", COMPONENTS, ids=lambda path: path.stem)
def test_a_component_knows_no_sibling(path: Path) -> None:
    siblings = {f"components.{other.stem}" for other in COMPONENTS if other != path}
    assert imports(path) & siblings == set()


@pytest.mark.parametrize("path", COMPONENTS, ids=lambda path: path.stem)
def test_a_component_does_not_read_the_stacks_configuration(path: Path) -> None:
    assert "pulumi.Config(" not in path.read_text(encoding="utf-8")
    assert imports(path) & {"config", "config.load", "config.secrets", "config.stack"} == set()


@pytest.mark.parametrize("path", VALUES, ids=lambda path: path.stem)
def test_values_are_pure_functions_that_need_no_provider(path: Path) -> None:
    assert not {name for name in imports(path) if name.startswith(("pulumi_", "pulumiverse"))}


def test_the_program_fits_on_one_screen_and_takes_no_decision_of_its_own() -> None:
    source = (ROOT / "__main__.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 50
    tree = ast.parse(source)
    assert not [
        n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.For)
    ]


def test_the_command_line_and_the_sandbox_are_no_part_of_the_program() -> None:
    program = [ROOT / "__main__.py", ROOT / "wiring.py"]
    for path in [*COMPONENTS, *VALUES, *(ROOT / "config").rglob("*.py"), *program]:
        assert not {n for n in imports(path) if n.split(".")[0] in {"ops", "sandbox", "tests"}}, (
            path
        )
