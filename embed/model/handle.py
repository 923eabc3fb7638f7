"""Model handle: a model resolved once at the entry point; all code below takes the handle, never the name.

It is read from the model's folder without loading weights, so that planning and driving load no torch.  On another
machine the folder may be elsewhere: workers get `lasting_name`, and resolve it once there.
"""

from dataclasses import dataclass
from pathlib import Path

from embed.encoder import Fingerprints
from embed.model.folder import (
    RELEASED,
    HybridSpec,
    fingerprints_of,
    hybrid_fingerprints,
    inner_model,
    is_hub_name,
    is_hybrid,
    model_folder,
    read_hybrid,
    spec_in,
    with_own_text,
)
from embed.model.spec import EncoderSpec
from embed.model.towers.one_tower import LONGEST_S
from embed.storage.store import local_path


@dataclass(frozen=True)
class ModelHandle:
    """A model's folder, settings and fingerprints."""

    name: str  # as it was given
    lasting_name: str  # a released model's name, a url, or the folder's absolute path: valid in any working directory
    folder: Path
    spec: EncoderSpec  # towers by names that can be loaded; for a hybrid, that of its model
    fingerprints: Fingerprints
    hybrid: HybridSpec | None = None
    inner: "ModelHandle | None" = None  # the model of a hybrid

    @property
    def plain(self) -> "ModelHandle":
        """The model itself, without a recogniser."""
        return self.inner or self

    @property
    def speaks(self) -> bool:
        """Whether it encodes speech."""
        return self.spec.speech is not None

    @property
    def longest_s(self) -> float | None:
        """The longest speech it takes, in seconds, where that is known without loading it."""
        return LONGEST_S if self.spec.one_tower and self.speaks else None


def resolve_model(name: str) -> ModelHandle:
    """A released model (`demo`) or a folder's, each of its files read once.  Raises SpecError, InputError."""
    folder = model_folder(name)
    own = folder != RELEASED / name and local_path(name) is not None and not is_hub_name(name)
    lasting = str(folder.absolute()) if own else name
    if not is_hybrid(folder):
        spec = with_own_text(spec_in(folder), folder)
        return ModelHandle(name, lasting, folder, spec, fingerprints_of(spec, folder))
    hybrid = read_hybrid(folder)
    inner = resolve_model(inner_model(folder, hybrid))
    prints = hybrid_fingerprints(folder, hybrid, inner.fingerprints)
    return ModelHandle(name, lasting, folder, inner.spec, prints, hybrid, inner)
