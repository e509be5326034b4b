"""Stands in for helm and kubectl, as far as the guide's procedures use them.

The scripts of that name run this file as a program, which passes the arguments on to the process
that has the simulated cluster.
"""

import json
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .cloud import Cloud

COMMANDS: Final = ("helm", "kubectl")
_PENDING: Final = "pending-"


def answer(cloud: "Cloud", name: str, arguments: list[str]) -> tuple[str, int]:
    """What a command prints, and its exit status."""
    return (_kubectl if name == "kubectl" else _helm)(cloud, arguments)


def _helm(cloud: "Cloud", arguments: list[str]) -> tuple[str, int]:
    words, namespace, all_namespaces, pending = [], "default", False, False
    rest = iter(arguments)
    for word in rest:
        if word in ("-n", "--namespace"):
            namespace = next(rest)
        elif word == "--kube-context":
            next(rest)  # There is one cluster.
        elif word in ("-A", "--all-namespaces"):
            all_namespaces = True
        elif word == "--pending":
            pending = True
        elif not word.startswith("-"):
            words.append(word)
    if words == ["list"]:
        return _listing(cloud, None if all_namespaces else namespace, pending), 0
    if len(words) >= 2 and words[0] in ("uninstall", "rollback"):
        return _change(cloud, words[0], f"{namespace}/{words[1]}", words[2:])
    return _unknown("helm", arguments)


def _unknown(name: str, arguments: list[str]) -> tuple[str, int]:
    return f"the sandbox's {name} does not know: {' '.join(arguments)}\n", 1


def _kubectl(cloud: "Cloud", arguments: list[str]) -> tuple[str, int]:
    """Of all that kubectl can be asked only Helm's records: the Secrets of its revisions."""
    pairs = (word.partition("=") for word in arguments if word.startswith("--"))
    flags = {name: value for name, _, value in pairs}
    words = [word for word in arguments if not word.startswith("--")]
    if words != ["get", "secrets"] or flags.get("--selector") != "owner=helm":
        return _unknown("kubectl", arguments)
    lines = []
    for release in cloud.objects("kubernetes", "Release"):
        status = release.properties["status"]
        if status["namespace"] != flags["--namespace"]:
            continue
        last = status["revision"]
        for number in range(1, last + 1):
            # A revision stays the deployed one until the next is.
            before = "deployed" if number == last - 1 and _pends(status) else "superseded"
            shown = status["status"] if number == last else before
            lines.append(f"{status['name']} {number} {shown}\n")
    return "".join(lines), 0


def _pends(status: dict[str, Any]) -> bool:
    return status["status"].startswith(_PENDING)


def _listing(cloud: "Cloud", namespace: str | None, pending: bool) -> str:
    lines = ["NAME\tNAMESPACE\tREVISION\tSTATUS\n"]
    for release in cloud.objects("kubernetes", "Release"):
        status = release.properties["status"]
        if namespace not in (None, status["namespace"]):
            continue
        if pending and not _pends(status):
            continue
        row = (status[key] for key in ("name", "namespace", "revision", "status"))
        lines.append("\t".join(map(str, row)) + "\n")
    return "".join(lines)


def _change(cloud: "Cloud", verb: str, id: str, revisions: list[str]) -> tuple[str, int]:
    release = cloud.get("kubernetes", "Release", id)
    if release is None:
        return f"Error: {verb}: Release not loaded: {id}: release: not found\n", 1
    if verb == "uninstall":
        cloud.remove("kubernetes", "Release", id)
        return f'release "{id}" uninstalled\n', 0
    # To the revision before, of which alone the values are known: of a release that was installed
    # only once there is none.
    revision = release["status"]["revision"]
    wanted = int(revisions[0]) if revisions else revision - 1
    if wanted < 1 or wanted != revision - 1:
        return f"Error: release has no {wanted} version\n", 1
    status = {**release["status"], "status": "deployed", "revision": revision + 1}
    values = release.get("sandbox/before", release["values"])
    cloud.put("kubernetes", "Release", id, {**release, "values": values, "status": status})
    return "Rollback was a success! Happy Helming!\n", 0


def main(address: str, arguments: list[str]) -> int:
    """Pass a command on; its exit status."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        connection.sendall(json.dumps(arguments).encode() + b"\n")
        text, status = json.loads(b"".join(iter(lambda: connection.recv(65536), b"")))
    print(text, end="", file=sys.stderr if status else sys.stdout)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
