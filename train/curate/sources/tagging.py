"""Names of everyday places and things on the map, in some sixty languages, from the iD editor's tagging schema."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from train.curate.packages.npm import fetch

LICENCE = "ISC"
PACKAGE, VERSION = "@openstreetmap/id-tagging-schema", "6.19.2"
SHA256 = "c8d410007593ce458f7d38381458f20bf73412f7e2c2c075c147a7f916e95555"
SHORTEST, LONGEST = 3, 60  # characters of an option; shorter ones are codes, longer ones explanations
IN_BRACKETS = re.compile(r"\s*\([^)]*\)")


def names(cache: Path, langs: Sequence[str]) -> dict[str, dict[str, str]]:
    """`id:preset/amenity/bakery` and the like -> language -> name.  Raises DataUnavailable."""
    folder = fetch(PACKAGE, VERSION, SHA256, cache) / "dist/translations"
    found: dict[str, dict[str, str]] = {}
    for lang in langs:
        file = folder / f"{lang}.json"
        if file.is_file():
            schema = json.loads(file.read_text(encoding="utf-8"))[lang].get("presets", {})
            for key, text in _entries(schema):
                text = IN_BRACKETS.sub("", text).strip()
                if text and "{" not in text:
                    found.setdefault(f"id:{key}", {})[lang] = text
    return found


def _entries(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in schema.get("presets", {}).items():
        yield f"preset/{key}", value.get("name", "")
    for key, value in schema.get("categories", {}).items():
        yield f"category/{key}", value.get("name", "")
    for key, value in schema.get("fields", {}).items():
        yield f"field/{key}", value.get("label", "")
        for option, title in (value.get("options") or {}).items():
            text = title.get("title", "") if isinstance(title, dict) else title
            if SHORTEST <= len(text) <= LONGEST and "=" not in text:
                yield f"option/{key}/{option}", text
