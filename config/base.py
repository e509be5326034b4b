"""What every section of the stack configuration has in common."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Section(BaseModel):
    """A mapping in `Pulumi.<stack>.yaml`: camelCase keys, no unknown key, no silent conversion.

    `strict` keeps Pydantic from turning "3" into 3: a quoted number in a stack file is nearly
    always a mistake, and the next reader of the file would have to guess what it means.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        strict=True,
        validate_default=True,
    )

    refused: ClassVar[Mapping[str, str]] = {}
    """Keys that one would look for in this section and that it can't have, with the reason and the
    remedy: a better answer than "not a known key"."""
