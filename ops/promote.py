"""Carries what was tried in one stack to the next: versions, features, modes; nothing of its own.

Which settings these are is said at each of them, by `config/scope.py`. docs/promoting.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import yaml
from rich.markup import escape

from config.patches import TEMPO_PATCHED_UNTIL
from ops import UserError, diff, versions
from ops.commands import discover
from ops.promotion import Promotion, work_out
from ops.pulumi_stacks import PulumiStacks, Stacks
from ops.reach import reach
from ops.stack_document import StackDocument
from sandbox import show

NAME = "promote"
HELP = "carry versions, features and modes from one stack to the next"

NAMED: Final = 5
"""Resources that are named of those that an update of the source would change."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a promotion is not to be carried out, and how to go on."""

    reason: str
    remedy: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The stacks, and what is to happen."""
    parser.add_argument("source", metavar="SOURCE", help="the stack that was tried, such as dev")
    parser.add_argument("target", metavar="TARGET", help="the one that is to follow it")
    parser.add_argument(
        "--dry-run", action="store_true", help="show everything, change nothing, send no trace"
    )
    parser.add_argument(
        "--apply", action="store_true", help="`pulumi up` the target afterwards, which asks first"
    )
    parser.add_argument("--yes", action="store_true", help="with --apply: do not ask")
    parser.add_argument(
        "--except",
        dest="left_out",
        action="append",
        default=[],
        metavar="KEY",
        help="leave a setting, or a whole section, of the target as it is; repeatable",
    )
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        type=_setting,
        metavar="KEY=VALUE",
        help="a setting of the target's own, such as one that a new feature needs; repeatable",
    )
    parser.add_argument(
        "--skip-smoke",
        metavar="REASON",
        type=_reason,
        help="do not test the source; the reason is kept in the history",
    )
    parser.add_argument(
        "--accept-unpatched",
        metavar="REASON",
        type=_reason,
        help="promote a Tempo that is no longer patched; the reason is kept in the history",
    )


def run(arguments: argparse.Namespace) -> int:
    """Carry the promotion out, or say why not: 0 if it was (or would be), 1 if it is refused."""
    return promote(arguments, PulumiStacks(), smoke, date.today())


def smoke(stack: str) -> int:
    """The smoke test of a stack, which prints as it goes; its exit code."""
    return discover()["smoke"].run(["--stack", stack])


def promote(
    arguments: argparse.Namespace, stacks: Stacks, smoke: Callable[[str], int], today: date
) -> int:
    """The command, on the stacks and the day that are given."""
    _check_arguments(arguments)
    to = show.console()
    promotion = work_out(
        StackDocument.read(arguments.source),
        StackDocument.read(arguments.target),
        left_out=arguments.left_out,
        settings=dict(arguments.settings),
    )
    source, target = arguments.source, arguments.target
    file = promotion.before.file
    changed = promotion.after.text != promotion.before.text
    _show(to, promotion)
    if not changed:
        to.print(f"\n{target} has all that {source} promotes; nothing was changed")
        return 0
    secrets = [
        f"{key} is missing; run: pulumi config set --stack {target} --secret {key}"
        for key in promotion.after.missing_secrets
    ]
    with show.working(to, f"asking Pulumi about {source} and {target}"):
        refusals = list(_refusals(arguments, promotion, stacks, today))
    if arguments.apply:
        refusals += [
            Refusal(
                reason=f"{target} can't be applied: {text.partition(';')[0]}",
                remedy=text.partition("; ")[2],
            )
            for text in secrets
        ]
    if not refusals and not arguments.dry_run and arguments.skip_smoke is None:
        show.heading(to, f"Smoke test of {source}")
        if smoke(source) != 0:
            refusals.append(_failed_smoke(source))
    if refusals:
        _refuse(to, refusals)
        if not arguments.dry_run:
            to.print(f"\nrefused; {file.name} is as it was")
            return 1
    show.heading(
        to,
        f"What changes in {target}",
        "In the sandbox: what its file says now, applied; then a preview of the new file.",
    )
    try:
        with show.working(to, f"applying and previewing {target}"):
            text = reach(promotion.before, promotion.after)
        to.print(escape(text), soft_wrap=True)
    except UserError as error:
        raise UserError(f"{target} can't be previewed in the sandbox: {error}") from None
    if arguments.dry_run:
        to.print("\na dry run: nothing was changed, and the smoke test was not run")
        if refusals:
            to.print("without --dry-run it is refused, for the reasons above")
        return int(bool(refusals))
    file.write_bytes(promotion.after.text.encode())
    to.print(f"\n{file.name} is written; a message for its commit:\n")
    message = _message(arguments, promotion)
    to.print(escape(_indented(message)), soft_wrap=True)
    if not arguments.apply:
        for text in secrets:
            to.print(f"\nbefore it can be applied: {text}", soft_wrap=True)
        to.print(f"\nnext: look at it with git diff, then make up STACK={target}")
        return 0
    return _apply(to, arguments, stacks, message, file.name)


def _check_arguments(arguments: argparse.Namespace) -> None:
    if arguments.source == arguments.target:
        raise UserError(f"{arguments.source} can't be promoted to itself; name another TARGET")
    if arguments.dry_run and arguments.apply:
        raise UserError("--dry-run changes nothing and --apply does; write one of them")
    if arguments.yes and not arguments.apply:
        raise UserError("--yes answers what --apply asks; write --apply as well")
    if arguments.apply and not arguments.yes and not sys.stdin.isatty():
        raise UserError(
            "--apply asks before it changes anything, and nobody can answer here; "
            "write --yes as well"
        )


def _show(to: show.Console, promotion: Promotion) -> None:
    source, target = promotion.source.stack, promotion.before.stack
    number = diff.count(len(promotion.carried), "setting")
    to.print(f"{source} promotes {number} to {target}; {len(promotion.left)} more differ and stay")
    to.print(f"\n[bold]To be promoted[/] ({target} takes over what {source} has)")
    if promotion.carried:
        diff.rows(to, (source, target), promotion.carried)
    else:
        to.print("  nothing")
    if promotion.left:
        to.print(f"\n[bold]To stay as {target} has it[/]")
        diff.rows(to, (source, target), promotion.left)


def _refusals(
    arguments: argparse.Namespace, promotion: Promotion, stacks: Stacks, today: date
) -> Iterator[Refusal]:
    """All at once, but for the smoke test, which is only worth its while without any of them."""
    yield from _skewed(promotion)
    yield from _unpatched(arguments, promotion, today)
    source, target = promotion.source.stack, promotion.before.stack
    try:
        changes = stacks.changes(source, promotion.source.file)
        running = versions.applied(stacks.deployment(target))
    except UserError as error:
        yield Refusal(
            reason=f"Pulumi does not tell what was applied to {source} and {target}: {error}",
            remedy="mend that (pulumi login, PULUMI_CONFIG_PASSPHRASE), and promote again",
        )
        return
    yield from _not_applied(promotion, changes)
    yield from _behind(promotion, running)


def _skewed(promotion: Promotion) -> Iterator[Refusal]:
    source, target = promotion.source.stack, promotion.before.stack
    coming = versions.configured(promotion.after.checked())
    there = versions.configured(promotion.before.checked())
    for name, version in coming.items():
        if name in there and version < there[name]:
            yield Refusal(
                reason=f"{name} would go back: {source} has {version}, {target} {there[name]}",
                remedy=f"bring {source} to {there[name]} or newer, try it there, and promote "
                "again; or leave the setting out with --except KEY",
            )


def _behind(promotion: Promotion, running: versions.Versions) -> Iterator[Refusal]:
    """What an update would take back that was applied from another revision of the project."""
    target = promotion.before.stack
    there = versions.configured(promotion.before.checked())
    for name, version in versions.configured(promotion.after.checked()).items():
        # What the file already has a higher version of is said before.
        if name in running and version < running[name] and version >= there.get(name, version):
            yield Refusal(
                reason=f"{name} would go back: {target} runs {running[name]}, and this checkout "
                f"installs {version}",
                remedy=f"check out the revision that {target} was applied from, or a newer one",
            )


def _unpatched(
    arguments: argparse.Namespace, promotion: Promotion, today: date
) -> Iterator[Refusal]:
    tempo = versions.configured(promotion.after.checked()).get(versions.TEMPO)
    if tempo is None or arguments.accept_unpatched is not None:
        return
    until = TEMPO_PATCHED_UNTIL.get((tempo.major, tempo.minor))
    if until is None:
        yield Refusal(
            reason=f"nobody has written down until when Tempo {tempo.major}.{tempo.minor} is "
            "patched",
            remedy="write the date into config/patches.py (Tempo's documentation, \"Recommended "
            'versions"), or accept it with --accept-unpatched REASON',
        )
    elif today > until:
        yield Refusal(
            reason=f"Tempo {tempo} is past its end of patches, {until}",
            remedy='upgrade the chart (docs/operations.md, "Upgrade a chart"), apply it to '
            f"{arguments.source}, and promote that; or accept it with --accept-unpatched REASON",
        )


def _not_applied(promotion: Promotion, changes: list[str] | None) -> Iterator[Refusal]:
    source, file = promotion.source.stack, promotion.source.file.name
    if changes is None:
        yield Refusal(
            reason=f"{source} was never applied: the backend has no such stack",
            remedy=f"pulumi login to the backend that has it; or make up STACK={source}, try it, "
            "and promote again",
        )
    elif changes:
        more = f" and {len(changes) - NAMED} more" if len(changes) > NAMED else ""
        yield Refusal(
            reason=f"{source} is not applied as it stands; an update would change "
            f"{', '.join(sorted(changes)[:NAMED])}{more}",
            remedy=f"make up STACK={source}, try it, and promote again; or take back what was not "
            f"applied (git diff {file})",
        )


def _failed_smoke(source: str) -> Refusal:
    return Refusal(
        reason=f"the smoke test of {source} failed; what it said is above",
        remedy=f"mend what it names, and look with make smoke STACK={source}; or, if it can't be "
        "run from here, --skip-smoke REASON",
    )


def _refuse(to: show.Console, refusals: list[Refusal]) -> None:
    to.print("\n[bold red]Refused[/]")
    for refusal in refusals:
        to.print(escape(_indented(f"- {refusal.reason}", "    ")), soft_wrap=True)
        to.print(escape(f"    how to go on: {refusal.remedy}"), soft_wrap=True)


def _message(arguments: argparse.Namespace, promotion: Promotion) -> str:
    lines = [f"Promote {arguments.source} to {arguments.target}", ""]
    lines += [
        f"{each.key}: {diff.text(each, each.values[1])} -> {diff.text(each, each.values[0])}"
        for each in promotion.carried
    ]
    lines += [f"left out: {key}" for key in arguments.left_out]
    if arguments.skip_smoke is not None:
        lines.append(f"smoke test of {arguments.source} skipped: {arguments.skip_smoke}")
    if arguments.accept_unpatched is not None:
        lines.append(f"unpatched Tempo accepted: {arguments.accept_unpatched}")
    return "\n".join(lines)


def _indented(text: str, hanging: str = "  ") -> str:
    return "  " + text.replace("\n", f"\n{hanging}")


def _apply(
    to: show.Console, arguments: argparse.Namespace, stacks: Stacks, message: str, file: str
) -> int:
    to.print()
    sys.stdout.flush()
    code = stacks.up(arguments.target, message, yes=arguments.yes)
    if code != 0:
        to.print(
            f"\n{arguments.target} was not applied; {file} stays written: make up "
            f"STACK={arguments.target} tries again, git checkout {file} takes it back",
            soft_wrap=True,
        )
    return int(code != 0)


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        parsed = None
    if not equals or not key or parsed is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, parsed


def _reason(text: str) -> str:
    if len(text.strip().splitlines()) != 1:
        raise argparse.ArgumentTypeError("write why, in one line")
    return text.strip()
