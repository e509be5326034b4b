"""A bill of materials of a stack, in CycloneDX: everything that it is made of and made by.

Python packages with their locked hashes, charts and images with their digests where they are known,
the engine's provider plugins, and the Go modules of the engine where that is built from source. The
same inputs give the same bytes: it can be compared, and checked in.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from packageurl import PackageURL
from packaging.requirements import Requirement
from pulumi import RunError

from charts import used_by
from config.load import sections
from config.stack import StackConfig
from ops import UserError, stack_files
from ops.images import Image, images
from ops.stack_files import ROOT, add_stack_file

NAME = "sbom"
HELP = "write a bill of materials (CycloneDX) of a stack: packages, charts, images, plugins"

PROGRAM: Final = ROOT / "requirements.txt"
TOOLS: Final = ROOT / "requirements-dev.txt"
GO_MODULE: Final = ROOT / "tools/go.mod"

PLUGINS: Final = ("pulumi_kubernetes", "pulumi_minio", "pulumi_random", "pulumiverse_grafana")
"""The SDKs whose provider plugins the engine loads."""

Component = dict[str, Any]

_PROJECT: Final = "tracing"
_GO_REQUIREMENT: Final = re.compile(r"^\t(\S+) (v\S+)(?: // indirect)?$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Locked:
    """A package as a lock has it."""

    name: str
    version: str
    marker: str
    """Where it is installed, such as `sys_platform == 'linux'`; empty for everywhere."""
    hashes: tuple[str, ...]
    """SHA-256 of each file that may be installed."""


@cache
def locked(lock: Path) -> tuple[Locked, ...]:
    """The packages of a lock that `make lock` wrote.

    Raises UserError for a line without a version or without hashes.
    """
    text = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and line.lstrip()[0] != "#"]
    return tuple(_locked(line, lock) for line in lines)


def _locked(line: str, lock: Path) -> Locked:
    wanted, *hashes = re.split(r"\s+--hash=", line.strip())
    requirement = Requirement(wanted)
    [version] = [s.version for s in requirement.specifier if s.operator == "=="] or [None]
    digests = tuple(h.removeprefix("sha256:") for h in hashes if h.startswith("sha256:"))
    if version is None or not digests or len(digests) != len(hashes):
        raise UserError(f"{lock.name}: {requirement.name} has no locked hashes; run: make lock")
    return Locked(
        name=requirement.name,
        version=version,
        marker=str(requirement.marker or ""),
        hashes=digests,
    )


def bill(stack: str, file: Path) -> dict[str, Any]:
    """The bill of materials of a stack by its file, as CycloneDX 1.6.

    Raises UserError or ConfigError where the file is refused.
    """
    listed = images(stack, file)
    settings, _, _ = sections(stack_files.plain_settings(file), set())
    components = [
        *_packages(),
        *_plugins(),
        *_go_modules(),
        *_charts(settings),
        *map(_image, listed.listed),
    ]
    components.sort(key=lambda component: component["bom-ref"])
    subject = {"type": "application", "bom-ref": _PROJECT, "name": _PROJECT, "version": stack}
    contents = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": subject}
        | _properties({f"unlisted:{name}": how for name, how in listed.unlisted.items()}),
        "components": components,
        "dependencies": [
            {"ref": _PROJECT, "dependsOn": [component["bom-ref"] for component in components]}
        ],
    }
    # Neither the time nor a random number: the serial number is that of the contents.
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(contents, sort_keys=True))
    return {"serialNumber": serial.urn, **contents}


def _packages() -> Iterator[Component]:
    program = {package.name for package in locked(PROGRAM)}
    for package in locked(TOOLS):
        purl = str(PackageURL("pypi", name=package.name, version=package.version))
        yield {
            "type": "library",
            "bom-ref": purl,
            "name": package.name,
            "version": package.version,
            "scope": "required" if package.name in program else "excluded",
            "purl": purl,
            # Of the files that may be installed one is; a component's own hashes are of one file.
            "externalReferences": [
                {
                    "type": "distribution",
                    "url": purl,
                    "comment": "a file with one of these hashes",
                    "hashes": [{"alg": "SHA-256", "content": h} for h in package.hashes],
                }
            ],
        } | _properties({"marker": package.marker})


def _plugins() -> Iterator[Component]:
    for module in PLUGINS:
        spec = importlib.util.find_spec(module)
        if spec is None or not spec.submodule_search_locations:
            raise UserError(f"the package {module} is not installed; run: make setup")
        file = Path(spec.submodule_search_locations[0]) / "pulumi-plugin.json"
        plugin = json.loads(file.read_text(encoding="utf-8"))
        name, version = f"pulumi-resource-{plugin['name']}", plugin["version"]
        purl = str(PackageURL("generic", name=name, version=version))
        component = {"type": "application", "bom-ref": purl, "name": name, "version": version}
        yield component | {"purl": purl} | _properties({"server": plugin.get("server", "")})


def _go_modules() -> Iterator[Component]:
    """The modules of the engine; used only where it is built, so not required."""
    for path, version in _GO_REQUIREMENT.findall(GO_MODULE.read_text(encoding="utf-8")):
        namespace, _, name = path.rpartition("/")
        purl = str(PackageURL("golang", namespace=namespace, name=name, version=version))
        component = {"type": "library", "bom-ref": purl, "name": path, "version": version}
        yield component | {"scope": "excluded", "purl": purl}


def _charts(settings: StackConfig) -> Iterator[Component]:
    for chart in set(used_by(settings).values()):
        digest = settings.charts.digests.get(chart.archive_name, chart.sha256)
        repository = {"repository_url": chart.repository}
        purl = PackageURL("helm", name=chart.name, version=chart.version, qualifiers=repository)
        yield {
            "type": "application",
            "bom-ref": str(purl),
            "name": chart.name,
            "version": chart.version,
            "purl": str(purl),
        } | _digest(digest or "")


def _image(image: Image) -> Component:
    registry, _, path = image.name.partition("/")
    namespace, _, name = path.rpartition("/")
    if image.digest:
        qualifiers = {"repository_url": f"{registry}/{path}"}
        if image.tag:
            qualifiers["tag"] = image.tag
        purl = PackageURL("oci", None, name.lower(), image.digest, qualifiers)
    else:
        # The type `oci` has no version but the digest.
        purl = PackageURL("docker", namespace, name, image.tag, {"repository_url": registry})
    return {
        "type": "container",
        "bom-ref": str(purl),
        "name": image.name,
        "version": image.tag or image.digest,
        "purl": str(purl),
    } | _digest(image.digest.removeprefix("sha256:"), {"usedBy": ", ".join(image.used_by)})


def _digest(sha256: str, properties: Mapping[str, str] = MappingProxyType({})) -> Component:
    """A component's hash and properties; the one that says so where there is no hash."""
    if not sha256:
        return _properties({**properties, "digest": "not pinned"})
    return {"hashes": [{"alg": "SHA-256", "content": sha256}]} | _properties(properties)


def _properties(values: Mapping[str, str]) -> Component:
    named = [{"name": f"tracing:{key}", "value": value} for key, value in values.items() if value]
    return {"properties": named} if named else {}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The stack, and where to."""
    parser.add_argument("--stack", required=True, help="the stack, such as dev")
    add_stack_file(parser)
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="where to (default: standard output)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Write it."""
    file = arguments.stack_file or ROOT / f"Pulumi.{arguments.stack}.yaml"
    try:
        text = json.dumps(bill(arguments.stack, file), indent=2, ensure_ascii=False) + "\n"
    except RunError as error:
        raise UserError(str(error)) from None
    if arguments.output is None:
        print(text, end="")
    else:
        arguments.output.write_text(text, encoding="utf-8")
