"""A stack as files: Kubernetes manifests, Helm values, and what else it is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from pulumi import RunError

import charts
from charts import Chart
from config.load import PREFIX
from config.secrets import SECRET_KEYS
from ops import UserError, helm
from ops.helm import Archives, Helm
from ops.registrations import RELEASE, Recorded, Registration, clear, record
from ops.stack_document import StackDocument
from ops.stack_files import placeholders

KUBERNETES: Final = "kubernetes:"
_COMPONENT: Final = "tracing:index:"
_PROVIDER: Final = "pulumi:providers:"
_GENERATED: Final = "random:"


@dataclass(frozen=True, kw_only=True)
class Release:
    """A Helm release of a stack, and where it comes from."""

    component: str
    resource: str
    """Its logical name."""
    name: str
    """In the cluster, and of its directory."""
    namespace: str
    chart: Chart
    values: dict[str, Any]
    objects: list[dict[str, Any]] | None
    """What it installs; `None` where helm or the archive is missing."""


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """A stack as files."""

    stack: str
    files: dict[str, str]
    """Their texts by relative path, sorted; without the sums."""
    releases: list[Release]
    run: Recorded
    """What the program registered."""
    plugins: list[str] = field(default_factory=list)
    """Names of the providers that the stack's resources need."""
    missing: str | None = None
    """Why the releases' own manifests are not there; `None` if they are."""

    @property
    def installed(self) -> dict[str, list[dict[str, Any]]]:
        """What each release installs, by its logical name, of those that were rendered."""
        return {each.resource: each.objects for each in self.releases if each.objects is not None}


def rendering(document: StackDocument, archives: Archives, *, found: Helm | None) -> Rendering:
    """A stack as its file stands. `found` is `None` to do without helm.

    The same stack gives the same files, byte for byte. Nothing is decrypted: secrets are
    placeholders. Raises UserError where the file is refused, or helm refuses the values.
    """
    try:
        stack = document.checked()
        run = _recorded(document)
    except RunError as error:
        raise UserError(str(error)) from None
    components = _components(run)
    used = charts.used_by(stack)
    releases, files, absent = [], {}, []
    for resource in run.resources:
        component = components[resource.name]
        if resource.type == RELEASE:
            release = _release(resource, component, used, archives, found)
            releases.append(release)
            if release.objects is None:
                absent.append(release.chart.archive_name)
            for name, text in _release_files(release, archives):
                files[f"{component}/releases/{release.name}/{name}"] = text
        elif resource.type.startswith(KUBERNETES):
            files[f"{component}/manifests/{resource.name}.yaml"] = dumped(clear(resource.inputs))
        elif not resource.type.startswith((_COMPONENT, _PROVIDER, _GENERATED)):
            entry = {"type": resource.type, "name": resource.name}
            files[f"{component}/other/{resource.name}.yaml"] = dumped(
                entry | {"inputs": clear(resource.inputs)}
            )
    outputs = {name: clear(value) for name, value in run.outputs.items()}
    for name, value in outputs.items():
        if name.endswith("Values") and value is not None:
            files[f"{name.removesuffix('Values')}/values.yaml"] = value
    files["outputs.yaml"] = dumped(outputs)
    missing = _missing(absent, found, archives)
    files["README.md"] = _readme(document.stack, run, releases, files, archives, missing)
    return Rendering(
        stack=document.stack,
        files=dict(sorted(files.items())),
        releases=releases,
        run=run,
        plugins=sorted(
            {
                resource.type.split(":")[0]
                for resource in run.resources
                if not resource.type.startswith((_COMPONENT, _PROVIDER))
            }
        ),
        missing=missing,
    )


def sums(files: Mapping[str, bytes]) -> str:
    """The SHA-256 of files, as `sha256sum --check` reads it."""
    lines = (f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items())
    return "".join(lines)


def dumped(document: Any) -> str:
    """YAML with sorted keys, and texts of several lines as such."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=True, width=100, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Write out what occurs twice: whoever reads the file is no program."""
        return True


def _represented(dumper: _Dumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represented)


def _recorded(document: StackDocument) -> Recorded:
    secrets = {PREFIX + key for key in SECRET_KEYS}
    # Without the charts' directory: where archives are is said by whoever renders.
    plain = {
        key: value
        for key, value in document.raw.items()
        if key not in secrets and key != f"{PREFIX}charts"
    }
    given = {key: _placeholder(key) for key in document.raw if key in secrets}
    needed = {key: _placeholder(key) for key in placeholders(plain)}
    return record(document.stack, plain, given | needed)


def _placeholder(key: str) -> str:
    return f"secret-{key.removeprefix(PREFIX)}"


def _components(run: Recorded) -> dict[str, str]:
    """The outermost component of each resource, by the resource's name."""
    parents = {resource.name: resource.parent for resource in run.resources}

    def outermost(name: str) -> str:
        return outermost(parents[name]) if parents.get(name) else name

    return {name: outermost(name) for name in parents}


def _release(
    resource: Registration,
    component: str,
    used: Mapping[str, Chart],
    archives: Archives,
    found: Helm | None,
) -> Release:
    inputs = clear(resource.inputs)
    chart = next(chart for chart in used.values() if chart.name == inputs["chart"])
    archive = None if found is None else archives.find(chart)
    objects = None
    if found is not None and archive is not None:
        objects = helm.template(
            found,
            archive,
            release=inputs["name"],
            namespace=inputs["namespace"],
            values=inputs["values"],
        )
    return Release(
        component=component,
        resource=resource.name,
        name=inputs["name"],
        namespace=inputs["namespace"],
        chart=chart,
        values=inputs["values"],
        objects=objects,
    )


def _release_files(release: Release, archives: Archives) -> Iterator[tuple[str, str]]:
    chart = {
        "release": release.name,
        "namespace": release.namespace,
        "chart": release.chart.name,
        "version": release.chart.version,
        "repository": release.chart.repository,
        "sha256": archives.expected(release.chart),
    }
    yield "chart.yaml", dumped({key: value for key, value in chart.items() if value is not None})
    yield "values.yaml", dumped(release.values)
    if release.objects is not None:
        objects = sorted(release.objects, key=_identity)
        yield "manifests.yaml", "---\n".join(dumped(each) for each in objects)


def _identity(manifest: Mapping[str, Any]) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace") or "", metadata["name"]


def _missing(absent: Iterable[str], found: Helm | None, archives: Archives) -> str | None:
    names = ", ".join(sorted(set(absent)))
    if not names:
        return None
    if found is None:
        return f"`helm` is not on PATH, so that {names} could not be rendered"
    return f"not in {archives.directory}: {names} (make charts DIRECTORY={archives.directory})"


def _readme(
    stack: str,
    run: Recorded,
    releases: list[Release],
    files: Mapping[str, str],
    archives: Archives,
    missing: str | None,
) -> str:
    lines = [
        f"# What stack {stack} is made of",
        "",
        "Rendered from its file by `python -m ops render`; the same file gives the same bytes.",
        "",
        "| path | what it is |",
        "| --- | --- |",
        "| `<component>/manifests/<name>.yaml` | a Kubernetes object |",
        "| `<component>/releases/<release>/` | a Helm release: `chart.yaml` says which chart, "
        "`values.yaml` what it is told, `manifests.yaml` what it installs |",
        "| `<component>/other/<name>.yaml` | what is in the object store or in Grafana; only "
        "Pulumi makes it |",
        "| `<component>/values.yaml` | values for a chart that somebody else installs |",
        "| `outputs.yaml` | the stack's outputs |",
        "| `SHA256SUMS` | the sums of all files: `sha256sum --check SHA256SUMS` |",
        "",
        "## Releases",
        "",
        "| release | namespace | chart | version | SHA-256 of the archive |",
        "| --- | --- | --- | --- | --- |",
    ]
    for release in sorted(releases, key=lambda each: each.name):
        chart = release.chart
        pinned = archives.expected(chart) or "not pinned"
        lines.append(
            f"| {release.name} | {release.namespace} | {chart.name} | {chart.version} | {pinned} |"
        )
    lines += ["", f"`manifests.yaml` is missing: {missing}."] if missing else []
    lines += ["", "## Placeholders", ""]
    found = [
        (text, what, [name for name, content in files.items() if _holds(content, text)])
        for text, what in _stand_ins(run)
    ]
    rows = [f"| `{text}` | {what} | {_listed(names)} |" for text, what, names in found if names]
    if rows:
        lines += [
            "No secret is in these files. In their place:",
            "",
            "| placeholder | what it stands for | in |",
            "| --- | --- | --- |",
            *rows,
        ]
    else:
        lines.append("This stack has no secrets.")
    return "\n".join(lines) + "\n"


def _stand_ins(run: Recorded) -> Iterator[tuple[str, str]]:
    for key, what in SECRET_KEYS.items():
        yield _placeholder(PREFIX + key), f"the secret `{PREFIX}{key}`: {what}"
    for resource in sorted(run.resources, key=lambda each: each.name):
        if resource.type.startswith(_GENERATED):
            what = (
                "changes when a Secret does, so that pods restart; no secret"
                if resource.type.endswith(":RandomUuid")
                else "a password that the first update makes and keeps in the state"
            )
            yield f"generated-{resource.name}", what


def _holds(content: str, text: str) -> bool:
    """Whether the text is in there, and not only as the beginning of a longer one."""
    rest = content.split(text)[1:]
    return any(not part[:1].isalnum() and part[:1] != "-" for part in rest)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
