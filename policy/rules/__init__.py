"""The rules, in the order in which they are reported."""

from ..judged import Rule
from . import access, data, endpoints, images, namespaces, network, pods, requests, retention
from . import plaintext as plaintext_secrets

RULES: tuple[Rule, ...] = (
    plaintext_secrets.RULE,
    *endpoints.RULES,
    images.RULE,
    requests.RULE,
    access.RULE,
    pods.RULE,
    namespaces.RULE,
    retention.RULE,
    network.RULE,
    data.RULE,
)
