"""Stands in for kubectl: `port-forward` leads to a port of this machine, in place of a pod's.

The environment says which (RELAY_TO), and where to write down each call (RELAY_CALLS).
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Listen, and pass on what comes, until ended."""
    with Path(os.environ["RELAY_CALLS"]).open("a", encoding="utf-8") as calls:
        calls.write(" ".join(arguments) + "\n")
    local, _, remote = arguments[-1].partition(":")
    with socket.create_server(("127.0.0.1", int(local or 0))) as listener:
        port = listener.getsockname()[1]
        print(f"Forwarding from 127.0.0.1:{port} -> {remote}", flush=True)
        while True:
            near, _ = listener.accept()
            try:
                far = socket.create_connection(("127.0.0.1", int(os.environ["RELAY_TO"])))
            except OSError:
                # As kubectl does.
                sys.exit("error: lost connection to pod")
            for pair in ((near, far), (far, near)):
                threading.Thread(target=_copy, args=pair, daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    while data := source.recv(65536):
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)


def install(directory: Path) -> None:
    """Put it into a directory of programs."""
    directory.mkdir(exist_ok=True)
    script = directory / "kubectl"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$@"\n', "utf-8")
    script.chmod(0o755)


if __name__ == "__main__":
    main(sys.argv[1:])
