"""Redaction of secrets in urls: user and password, signatures and tokens, before a text is shown, stored or logged.

A url of Deglu's own has neither: keys come from the environment.  But specs, lists of recordings and messages of other
libraries may contain such urls.
"""

import re

HIDDEN = "***"

_URL = re.compile(r"\b\w+://[^\s'\"<>]+")
# Before the @ of a url's host.  Keys of S3 contain slashes, so a password may, too; `host:8080/a@b` has none.
_USER = re.compile(r"(?<=://)(?:[^\s/@]+|[^\s/:@]+:(?!\d+/)[^\s@]+)@")
# A field of the query: X-Amz-Signature, X-Amz-Credential, X-Amz-Security-Token, AWSAccessKeyId, sig, token, api_key.
_FIELD = re.compile(
    r"([?&;#](?:[\w.-]*(?:signature|credential|token|secret|passw|api[_-]?key|accesskey|authori[sz])[\w.-]*"
    r"|sig|key|pwd|auth)=)[^&;#]*[^&;#,.:)\]}]",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """The text with *** in place of the secrets in its urls."""
    if "://" not in text:
        return text
    return _URL.sub(lambda url: _FIELD.sub(rf"\1{HIDDEN}", _USER.sub(f"{HIDDEN}@", url[0])), text)


def has_user(url: str) -> bool:
    """Whether a url has a user or a password before its host or bucket."""
    return _USER.search(url) is not None


def has_secret(value: str) -> bool:
    """Whether a value is a url with a secret in it."""
    return redacted(value) != value
