"""Stands in for helm and kubectl, as far as the guide's procedures use them.

The scripts of that name run this file as a program, which passes the arguments on to the process
that has the simulated cluster.
"""

import json
import socket
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .cloud import Cloud

COMMANDS: Final = ("helm",)
_PENDING: Final = "pending-"


def answer(cloud: "Cloud", name: str, arguments: list[str]) -> tuple[str, int]:
    """What a command prints, and its exit status."""
    words, namespace, all_namespaces, pending = [], "default", False, False
    rest = iter(arguments)
    for word in rest:
        if word in ("-n", "--namespace"):
            namespace = next(rest)
        elif word in ("-A", "--all-namespaces"):
            all_namespaces = True
        elif word == "--pending":
            pending = True
        elif not word.startswith("-"):
            words.append(word)
    if words == ["list"]:
        return _listing(cloud, None if all_namespaces else namespace, pending), 0
    if len(words) >= 2 and words[0] in ("uninstall", "rollback"):
        return _change(cloud, words[0], f"{namespace}/{words[1]}")
    return f"the sandbox's {name} does not know: {' '.join(arguments)}\n", 1


def _listing(cloud: "Cloud", namespace: str | None, pending: bool) -> str:
    lines = ["NAME\tNAMESPACE\tREVISION\tSTATUS\n"]
    for release in cloud.objects("kubernetes", "Release"):
        status = release.properties["status"]
        if namespace not in (None, status["namespace"]):
            continue
        if pending and not status["status"].startswith(_PENDING):
            continue
        row = (status[key] for key in ("name", "namespace", "revision", "status"))
        lines.append("\t".join(map(str, row)) + "\n")
    return "".join(lines)


def _change(cloud: "Cloud", verb: str, id: str) -> tuple[str, int]:
    release = cloud.get("kubernetes", "Release", id)
    if release is None:
        return f"Error: {verb}: Release not loaded: {id}: release: not found\n", 1
    if verb == "uninstall":
        cloud.remove("kubernetes", "Release", id)
        return f'release "{id}" uninstalled\n', 0
    # To the revision before: of a release that was installed only once there is none.
    revision = release["status"]["revision"]
    if revision < 2:
        return "Error: release has no 0 version\n", 1
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
