"""Stands in for kubectl, which a program starts to reach a MinIO inside the cluster.

`port-forward` listens and accepts, and nothing answers: the simulated providers do not connect.
"""

import re
import signal
import socket
import sys


def main(arguments: list[str]) -> int:
    """Forward a port to nowhere until ended; refuse everything else."""
    ports = [word for word in arguments if re.fullmatch(r"\d+:\d+", word)]
    if "port-forward" not in arguments or len(ports) != 1:
        text = "the sandbox's kubectl only knows `port-forward ... LOCAL:REMOTE`, not: "
        print(text + " ".join(arguments), file=sys.stderr)
        return 1
    local, remote = (int(port) for port in ports[0].split(":"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with socket.socket() as listener:
        # Two sandboxes, of two test processes for instance, may forward the same port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", local))
        listener.listen()
        print(f"Forwarding from 127.0.0.1:{listener.getsockname()[1]} -> {remote}", flush=True)
        accepted = []
        try:
            while True:
                accepted.append(listener.accept()[0])
        except KeyboardInterrupt:
            return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
