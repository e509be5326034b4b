"""A Pulumi CLI downloaded by the SDK's own installer, into the cache."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from pulumi.automation import PulumiCommand

from ops.cache import appearing_whole, cache_directory
from ops.progress import Progress

INSTALLER_URL = "https://get.pulumi.com/install.sh"
"""Where the SDK's installer begins."""

PROBE_SECONDS = 4


class InstallError(Exception):
    """The installer can't be reached, or failed."""


def installed() -> Path:
    """Where the installed CLI is, once it is there: never on the user's own PATH."""
    return cache_directory() / "pulumi-installed" / "bin" / "pulumi"


def install(progress: Progress) -> Path:
    """Install the CLI of the SDK's version, the Python language host with it."""
    # Probed first, as the installer itself waits without limit where a firewall swallows packets.
    unreachable = why_unreachable(INSTALLER_URL)
    if unreachable is not None:
        raise InstallError(f"{urlsplit(INSTALLER_URL).netloc} can't be reached ({unreachable})")
    progress.say("Installing the Pulumi CLI with the SDK's installer (about a minute) ...")
    place = installed()
    try:
        with appearing_whole(place.parent.parent) as scratch:
            PulumiCommand.install(root=str(scratch))
    # Whatever the installer raises (its script's status, a refused download, a version it can't
    # read), the next way to an engine is still to be tried.
    except Exception as error:
        raise InstallError(last_line(error)) from error
    return place


def why_unreachable(url: str) -> str | None:
    """Why a URL doesn't answer, or None when it does."""
    outcome: list[str | None] = []

    def probe() -> None:
        request = urllib.request.Request(url, method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=PROBE_SECONDS):
                outcome.append(None)
        except urllib.error.URLError as error:
            outcome.append(str(error.reason))
        except (OSError, ValueError) as error:
            outcome.append(last_line(error))

    # In a thread, since a connection's time limit doesn't cover the look-up of its name.
    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return outcome[0] if outcome else f"no answer in {PROBE_SECONDS} s"


def last_line(error: Exception) -> str:
    """What a failure comes down to, for a line in a list: the last thing its program said."""
    output = getattr(error, "stderr", None) or getattr(error, "output", None) or str(error)
    text = output.decode(errors="replace") if isinstance(output, bytes) else str(output)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
