"""Values as the text of a file."""

from typing import Any

import yaml
from pulumi import Input, Output


def as_yaml(values: Input[dict[str, Any]]) -> Output[str]:
    """The text of a Helm values file."""
    return Output.from_input(values).apply(lambda plain: yaml.safe_dump(plain, sort_keys=False))
