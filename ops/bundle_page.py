"""What a bundle says of itself: what is in it, and how to apply it where there is no internet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ops.engine import MINIMUM
from ops.plugins import Plugin

CHARTS: Final = "charts"
"""Where the program in a bundle finds its charts."""

_CONTENT: Final = f"""\
| path | what it is |
| --- | --- |
| `program/` | the Pulumi program, the stacks' files, and their charts in `program/{CHARTS}/` |
| `rendered/<stack>/` | what each stack is made of, to read; begin with its `README.md` |
| `images.txt` | the container images, with digests where the stack pins them |
| `plugins.txt` | Pulumi's provider plugins: name, version, where their archives are published |
| `wheels/`, `plugins/` | Python packages and plugins, where they were packed |
| `SHA256SUMS` | the sums of all files |

No secret is in clear in here: a stack's own are encrypted in its file, as they were.
"""

_WHEELS: Final = "pip download --require-hashes -r requirements.txt -d wheels"


def page(
    stacks: Sequence[str],
    plugins: Sequence[Plugin],
    *,
    has_wheels: bool,
    has_plugins: bool,
    missing: Sequence[str],
    unlisted: Mapping[str, str],
    absolute: Sequence[str],
) -> str:
    """The bundle's README.

    `missing` are charts that are not in it, `unlisted` resources whose images are not in the list,
    with the way to find them out, `absolute` paths of files that the stacks name and that are not
    in it.
    """
    parts = [f"# Tracing platform without internet: {', '.join(stacks)}\n", _CONTENT]
    if missing:
        parts.append(
            f"**Incomplete.** Put these archives into `program/{CHARTS}/` before anything else: "
            f"{', '.join(missing)}.\n"
        )
    if unlisted:
        parts.append(
            "**`images.txt` lacks the images of these**; how to find them out:\n\n"
            + "".join(f"- {name}: `{how}`\n" for name, how in unlisted.items())
        )
    if absolute:
        parts.append(f"**Not in here**, but named by the stacks: {', '.join(absolute)}.\n")
    parts += [_before(plugins, has_wheels, has_plugins), _apply(stacks[0])]
    return "\n".join(parts)


def _before(plugins: Sequence[Plugin], has_wheels: bool, has_plugins: bool) -> str:
    commands = "\n".join(
        f"   pulumi plugin install resource {each.name} {each.version} --file "
        f"../plugins/{each.archive_pattern.replace('*', 'linux-amd64')}"
        for each in plugins
    )
    of_plugins = "packed in" if has_plugins else "bring the archives of `plugins.txt` as"
    of_wheels = (
        "packed in `wheels/`, for the Python and the system that they were downloaded for"
        if has_wheels
        else f"bring them as `wheels/`, made in `program/` where there is internet: `{_WHEELS}`"
    )
    return f"""\
## Once

1. `sha256sum --check --quiet SHA256SUMS`, in this directory.
2. Bring the images of `images.txt` to where the cluster pulls from, under these names: a registry
   that containerd has as a mirror.
3. Install the Pulumi CLI, {MINIMUM} or newer with its Python language host, kubectl, and Python
   3.11 or newer.
4. Provider plugins ({of_plugins} `plugins/`;
   another system than linux-amd64 has archives of its own), in `program/`:
   ```
{commands}
   ```
5. Python packages ({of_wheels}),
   in `program/`:
   ```
   python3 -m venv .venv
   .venv/bin/pip install --no-index --find-links ../wheels --require-hashes -r requirements.txt
   ```
"""


def _apply(stack: str) -> str:
    return f"""\
## Apply

In `program/`:

```
export PULUMI_SKIP_UPDATE_CHECK=true PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true
export PULUMI_CONFIG_PASSPHRASE='the one of the stack'
pulumi login file:///directory/of/the/state      # or another backend of the site
pulumi stack select {stack}                      # the first time: pulumi stack init {stack}
pulumi up --stack {stack}                        # shows a preview, and asks
```

Each chart's SHA-256 is checked before anything is registered. No chart repository is asked, because
`tracing:charts.directory` in the stack's file names `{CHARTS}`.
"""
