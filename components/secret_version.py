"""A version of a Secret's contents: what makes pods restart when they would read something else."""

from collections.abc import Mapping

import pulumi_random as random
from pulumi import Input, Output, ResourceOptions


def secret_version(
    name: str, values: Mapping[str, Input[str]], opts: ResourceOptions
) -> Output[str]:
    """A random id that is another one whenever one of `values` is.

    Not a hash of the values: whoever may read pods could try passwords against that.
    """
    return random.RandomUuid(name, keepers=Output.secret(values), opts=opts).result
