"""Ends a forward with the engine it was started for; a program of its own.

Without the SDK, whose import would take most of the time until a forward is there.
"""

import argparse
import signal
import subprocess
import sys
import threading
from typing import Final

import grpc

_POLL_SECONDS: Final = 0.2


def watch(engine: str, command: list[str]) -> int:
    """Runs `command` until it ends or the engine at `engine` (host:port) is gone."""
    try:
        forward = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    except FileNotFoundError:
        print(f"{command[0]} is not installed or not on PATH", file=sys.stderr)
        return 127
    gone = threading.Event()
    channel = grpc.insecure_channel(engine)

    def seen(state: grpc.ChannelConnectivity) -> None:
        # The first connection comes up in READY; whatever follows it means the engine ended.
        nonlocal connected
        if state is grpc.ChannelConnectivity.READY:
            connected = True
        elif connected or state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            gone.set()

    connected = False
    # Told to end, it must not leave kubectl behind.
    signal.signal(signal.SIGTERM, lambda *_: gone.set())
    channel.subscribe(seen, try_to_connect=True)
    while forward.poll() is None and not gone.wait(_POLL_SECONDS):
        pass
    if forward.poll() is None:
        forward.terminate()
    return forward.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=watch.__doc__)
    parser.add_argument("--engine", required=True)
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    sys.exit(watch(arguments.engine, arguments.command))
