"""Files of the web as inputs: which of them are no recordings, by what their server states."""

from dataclasses import replace

from embed.archive.inputs import MB, WebSpec
from embed.errors import RefusedContent
from embed.storage.store import Entry

# No recording; text/plain may be one, of a server that does not know its suffix.
_OTHERS = ("text/", "image/", "application/json", "application/xml", "application/pdf", "application/javascript")
_OTHER_ENDS = ("+xml", "+json")
_UNKNOWN = "text/plain"


def checked(entry: Entry, web: WebSpec) -> Entry:
    """The entry of a recording, with a problem where its server has something else, or more than the input allows."""
    reason = _reason(entry, web)
    if entry.problem or not reason:
        return entry
    return replace(entry, problem=f"{RefusedContent.__name__}: {entry.url}: {reason}")


def is_other(media_type: str | None) -> bool:
    """Whether a server states that a file is no recording."""
    kind = media_type or ""
    return kind != _UNKNOWN and (kind.startswith(_OTHERS) or kind.endswith(_OTHER_ENDS))


def _reason(entry: Entry, web: WebSpec) -> str:
    if is_other(entry.media_type):
        return f"its server has {entry.media_type} there, and no recording; correct the address"
    if entry.media_type is not None and entry.size_bytes > web.max_mb * MB:
        size_mb = entry.size_bytes / MB
        return f"{size_mb:,.0f} MB, over the limit of {web.max_mb:,g}; set `web: {{max_mb: ...}}` for the input"
    return ""
