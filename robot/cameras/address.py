"""Camera addresses with a name and a password in them: sent to the camera, shown to nobody."""

import base64
import re
import urllib.parse

HIDDEN = "***"
_LOGIN = re.compile(r"(?<=://)[^/?#\s]*@")
_SECRET = re.compile(r"(?<=[?&])([^=&#\s]*(?:pass|pwd|token|secret|key|auth)[^=&#\s]*)=[^&#\s]*", re.IGNORECASE)


def shown(source: str) -> str:
    """An address, or a text with addresses in it, for people: without login, and without secrets in its query."""
    return _SECRET.sub(rf"\1={HIDDEN}", _LOGIN.sub(f"{HIDDEN}@", source))


def authorization(url: str) -> dict[str, str]:
    """The header that logs in with the name and the password of an address, percent-encoded or not (RFC 7617)."""
    login, found, _ = urllib.parse.urlsplit(url).netloc.rpartition("@")
    if not found:
        return {}
    name, _, password = login.partition(":")
    both = f"{urllib.parse.unquote(name)}:{urllib.parse.unquote(password)}"
    return {"Authorization": f"Basic {base64.b64encode(both.encode()).decode()}"}
