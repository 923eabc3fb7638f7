"""Model at a url, as `deglu train` writes it: copied to this machine's cache, once for each state of its files."""

import json
from pathlib import Path, PurePath

from embed.identity import digest
from embed.storage import store
from embed.storage.cache import cache_folder, make_folder

NUMBERS = "tensorboard"  # folders that no model needs


def fetched_model(url: str, hybrid: str) -> Path:
    """The folder in the cache; a hybrid, whose file is `hybrid`, is fetched with its model, the folder above it."""
    url = url.rstrip("/")
    parent, _, name = url.rpartition("/")
    made = store.join(url, hybrid)
    if store.exists(made) and json.loads(store.read_bytes(made)).get("model") == "..":
        return fetched_model(parent, hybrid) / name
    files = {
        entry.url.removeprefix(url).strip("/"): (entry.size_bytes, entry.etag)
        for entry in store.listing(url)
        if NUMBERS not in PurePath(entry.url).parts
    }
    state = digest("remote model", url, sorted([name, *of] for name, of in files.items())).hex()

    def fill(folder: Path) -> None:
        for name in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            store.local_copy(store.join(url, name), (folder / name).parent)

    return make_folder(cache_folder() / "models" / state, fill)
