"""What each stack tells Helm and Grafana, as files to be read in a review.

A change of a default or of a values function shows here, for every stack that it reaches; nobody
has to run anything to see it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

import yaml

from ops.registrations import Recorded, Registration
from ops.stack_files import ROOT, STACK_FILES, recorded

NAME = "goldens"
HELP = "write what every stack tells Helm, Grafana and Prometheus into tests/golden/"
GENERATES = "tests/golden/"

GOLDEN: Final = ROOT / "tests/golden"


def golden_file(stack: str) -> Path:
    """Where a stack's golden stands."""
    return GOLDEN / f"{stack}.yaml"


def golden(stack: str) -> str:
    """The golden of a stack as it is checked in."""
    document = _document(recorded(stack))
    return yaml.safe_dump(document, sort_keys=True, width=100)


def _document(run: Recorded) -> dict[str, Any]:
    document: dict[str, Any] = {
        f"release {name}": _readable(values) for name, values in run.helm_values().items()
    }
    for resource in run.resources:
        if resource.type == "kubernetes:helm.cattle.io/v1:HelmChartConfig":
            document[f"values {resource.name}"] = yaml.safe_load(
                resource.inputs["spec"]["valuesContent"]
            )
        if resource.type.startswith("kubernetes:kafka.strimzi.io/"):
            document[f"{resource.inputs['kind']} {resource.name}"] = resource.inputs["spec"]
        if resource.name == "grafana-data-sources":
            document[f"provisioning {resource.name}"] = yaml.safe_load(
                resource.inputs["data"]["tracing.yaml"]
            )
        if text := dashboard_of(resource):
            document[f"dashboard {resource.name}"] = _summary(json.loads(text))
        if resource.type == "kubernetes:monitoring.coreos.com/v1:PrometheusRule":
            document[f"alerts {resource.name}"] = {
                rule["alert"]: f"{rule['expr']} for {rule['for']}: {rule['labels']['severity']}"
                for group in resource.inputs["spec"]["groups"]
                for rule in group["rules"]
            }
        if resource.type == "grafana:oss/dataSource:DataSource":
            encoded = json.loads(resource.inputs["jsonDataEncoded"])
            document[f"data source {resource.name}"] = resource.inputs | {
                "jsonDataEncoded": encoded
            }
    for output in ("harnessValues", "linkerdValues", "lokiDerivedFields"):
        if run.outputs.get(output):
            document[f"output {output}"] = yaml.safe_load(run.outputs[output])
    return document


def dashboard_of(resource: Registration) -> str | None:
    """The JSON of a dashboard, whichever way it goes into Grafana; `None` for anything else."""
    if resource.type == "grafana:oss/dashboard:Dashboard":
        return resource.inputs["configJson"]
    files = resource.inputs.get("data") if resource.type == "kubernetes:core/v1:ConfigMap" else None
    return next((text for name, text in (files or {}).items() if name.endswith(".json")), None)


def _summary(dashboard: dict[str, Any]) -> dict[str, Any]:
    """What a dashboard asks, by row and panel; how it looks is of no interest to a review."""
    summary: dict[str, Any] = {"title": dashboard["title"], "uid": dashboard["uid"]}
    row: dict[str, Any] = {}
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            row = summary[f"row {panel['title']}"] = {}
        else:
            asked = [target["expr"] for target in panel["targets"]]
            row[f"{panel['title']} ({panel['fieldConfig']['defaults']['unit']})"] = asked
    return summary


def _readable(values: dict[str, Any]) -> dict[str, Any]:
    """Values with a whole file in one of them: as what the file says, not as one long line."""
    if isinstance(text := values.get("config"), str):
        return values | {"config": yaml.safe_load(text)}
    return values


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(arguments: argparse.Namespace) -> None:
    """Write all goldens; read the diff before you commit it."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for stack in STACK_FILES:
        golden_file(stack).write_text(golden(stack), encoding="utf-8")
