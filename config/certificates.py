"""Files with the certificate of an authority, which the stack file names by path."""

import ssl
from pathlib import Path


def read(path: str) -> str:
    """The certificates in a PEM file; `path` is relative to the project, where programs run.

    Raises ValueError, with the remedy, when there is no such file or no certificate in it.
    """
    try:
        text = Path(path).read_text(encoding="ascii")
    except OSError as error:
        raise ValueError(
            f"can't be read ({error.strerror}); write the path of a PEM file, relative to the "
            "project"
        ) from None
    except UnicodeDecodeError:
        text = ""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        raise ValueError(
            "holds no certificate; write the path of a PEM file (-----BEGIN CERTIFICATE-----)"
        ) from None
    return text
