"""A fresh interpreter that runs one Pulumi program when the engine asks for it, as a language host.

Run by bench/startup.py, once for each measurement: `python host.py PROJECT`. It prints the port
that the engine is to call, runs until its standard input is closed, then prints its peak memory.
"""

import os
import resource
import runpy
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2_grpc


def peak_bytes() -> int:
    """This process's largest resident size so far."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            # Not getrusage on Linux: what it tells survives exec, so a small process started by a
            # large one would answer with the size of its parent.
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(project: str) -> None:
    """Serve the program until standard input ends."""
    sys.path[0] = project
    os.chdir(project)

    def program() -> None:
        runpy.run_path(os.path.join(project, "__main__.py"), run_name="__main__")

    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageServer(program), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(grace=None).wait()
    print(peak_bytes(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
