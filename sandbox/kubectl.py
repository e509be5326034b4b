"""Stands in for kubectl, which a program starts to reach a MinIO or a Grafana in the cluster.

`port-forward` listens, and answers every request that all is well, with TLS to whoever begins it;
the simulated providers do not connect.
"""

import contextlib
import re
import signal
import socket
import ssl
import sys
import threading

_TLS_HANDSHAKE = b"\x16"


def main(arguments: list[str]) -> int:
    """Forward a port to nowhere until ended; refuse everything else."""
    ports = [word for word in arguments if re.fullmatch(r"\d*:\d+", word)]
    if "port-forward" not in arguments or len(ports) != 1:
        text = "the sandbox's kubectl only knows `port-forward ... [LOCAL]:REMOTE`, not: "
        print(text + " ".join(arguments), file=sys.stderr)
        return 1
    # Without a local port it takes one that is free.
    local, remote = (int(port or 0) for port in ports[0].split(":"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with socket.socket() as listener:
        # Two sandboxes, of two test processes for instance, may forward the same port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", local))
        listener.listen()
        print(f"Forwarding from 127.0.0.1:{listener.getsockname()[1]} -> {remote}", flush=True)
        try:
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=_answer, args=[connection], daemon=True).start()
        except KeyboardInterrupt:
            return 0


def _answer(connection: socket.socket) -> None:
    with contextlib.suppress(OSError), connection:
        if connection.recv(1, socket.MSG_PEEK) == _TLS_HANDSHAKE:
            connection = _certified().wrap_socket(connection, server_side=True)
        connection.recv(1024)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def _certified() -> ssl.SSLContext:
    """A certificate for names that nobody will ask for, as a store's own is through a forward."""
    # Not at the top: most forwards are without TLS.
    import trustme

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("minio").configure_cert(context)
    return context


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
