"""Annotations that this program puts on pods."""

from typing import Final

VERSION_ANNOTATION: Final = "tracing/secret-version"
"""Holds the version of the Secret that a pod reads when it starts: a changed pod template is what
Kubernetes rolls out, a changed Secret is not."""

CA_ANNOTATION: Final = "tracing/ca-version"
"""The same for the certificates of authorities that a pod reads when it starts."""

AUTHORITY_ANNOTATION: Final = "tracing/authority-version"
"""The same for the authority of the cluster's own TLS."""

RELOADER_ANNOTATION: Final = "secret.reloader.stakater.com/reload"
"""Names the Secret at whose change Reloader, where it is in the cluster, restarts a pod."""
