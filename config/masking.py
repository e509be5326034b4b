"""Secrets taken out of words that come from outside: what a server says may repeat what it got."""

import base64
import html
import json
from typing import Final
from urllib.parse import quote, quote_plus

MASK: Final = "***"


def masked(text: str, *secrets: str) -> str:
    """The text without these secrets: as they are, in JSON, XML, a URL and base64."""
    forms = {form for secret in secrets if secret for form in _forms(secret)}
    # The longest first: one may be a part of another.
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, MASK)
    return text


def _forms(secret: str) -> set[str]:
    raw, in_json = secret.encode(), json.dumps(secret)
    encoded = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    return encoded | {
        secret,
        in_json[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        # JSON within JSON, as of a server that quotes a request's body.
        json.dumps(in_json[1:-1])[1:-1],
        html.escape(secret),
        html.escape(secret, quote=False),
        # As Go, which MinIO and Grafana are written in, escapes quotes.
        html.escape(secret).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
        quote(secret, safe=""),
        quote_plus(secret),
        *(text.rstrip("=") for text in encoded),
    }
