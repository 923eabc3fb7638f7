"""Targets: vectors of every text that speech may be trained towards, computed once and kept in shards.

A shard holds texts of one language, so that a new language leaves the others' shards as they are: `query` and
`document` [n, D] float32, as safetensors, named by a digest of its inputs.  Shapes: N distinct texts, D the space's
width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from embed.encoder import Role
from embed.errors import InputError
from embed.identity import digest
from embed.model.joint import JointEncoder
from embed.storage import store
from train.curate.clip import Clip, words

TEXTS_PER_SHARD = 2048
ROLES: tuple[Role, Role] = ("query", "document")


@dataclass(frozen=True)
class TextShard:
    """Some texts of one language, their positions among all texts, and the url of the file with their vectors."""

    url: str
    rows: tuple[int, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Targets:
    """Vectors of texts in both roles, and the positions of each clip's own texts."""

    langs: list[str]  # [N]
    vectors: Mapping[Role, Tensor]  # each [N, D], unit rows
    own: list[Mapping[str, int]]  # per clip: language -> position of its text in that language
    spoken: list[int]  # per clip: position of its transcript

    def prefixes(self, role: Role, dims: Sequence[int]) -> dict[int, Tensor]:
        """Unit prefixes [N, d] of the texts' vectors in a role, by d."""
        return {dim: nn.functional.normalize(self.vectors[role][:, :dim], dim=-1) for dim in dims}


def gather_texts(clips: Sequence[Clip], langs: Sequence[str]) -> tuple[list[tuple[str, str]], list[dict[str, int]]]:
    """Distinct (language, text) of the clips in `langs` and their own languages, and each clip's positions in them."""
    texts: list[tuple[str, str]] = []
    place: dict[tuple[str, str], int] = {}
    own: list[dict[str, int]] = []
    for clip in clips:
        by_lang = {
            clip.lang: clip.text,
            **{lang: clip.translations[lang] for lang in langs if lang in clip.translations},
        }
        own.append({})
        for lang, text in by_lang.items():
            key = (lang, " ".join(words(text)))
            if key not in place:
                place[key] = len(texts)
                texts.append((lang, text))
            own[-1][lang] = place[key]
    return texts, own


def encode_texts(model: JointEncoder, texts: Sequence[tuple[str, str]]) -> dict[Role, Tensor]:
    """Vectors [N, D] of the texts in both roles, through the model's transform."""
    return {role: torch.from_numpy(model.encode([text for _, text in texts], role)) for role in ROLES}


def plan_text_shards(texts: Sequence[tuple[str, str]], space: str, url: str) -> list[TextShard]:
    """Shards below `url` for (language, text); `space` is a digest of all that decides a text's vectors."""
    by_lang: dict[str, list[int]] = {}
    for row, (lang, _) in enumerate(texts):
        by_lang.setdefault(lang, []).append(row)
    shards = []
    for lang, rows in sorted(by_lang.items()):
        for begin in range(0, len(rows), TEXTS_PER_SHARD):
            part = tuple(rows[begin : begin + TEXTS_PER_SHARD])
            own = tuple(texts[row][1] for row in part)
            file = store.join(url, f"{digest('targets', space, lang, own).hex()}.safetensors")
            shards.append(TextShard(file, part, own))
    return shards


def compute_text_shard(model: JointEncoder, shard: TextShard) -> None:
    """Write the shard's file, unless it exists already."""
    if not store.exists(shard.url):
        vectors = encode_texts(model, [("", text) for text in shard.texts])
        store.write_bytes(shard.url, save({str(role): found for role, found in vectors.items()}))


def read_vectors(shards: Sequence[TextShard]) -> dict[str, Tensor]:
    """Vectors of all shards, [N, D] in each role, in the order of the planned texts."""
    found = [_read(shard) for shard in shards]
    order = torch.tensor([row for shard in shards for row in shard.rows]).argsort()
    return {role: torch.cat([one[role] for one in found])[order] for role in ROLES}


def targets_of(
    clips: Sequence[Clip],
    texts: Sequence[tuple[str, str]],
    own: Sequence[Mapping[str, int]],
    vectors: Mapping[str, Tensor],
) -> Targets:
    """Targets from the results of `gather_texts` and `encode_texts`."""
    spoken = [positions[clip.lang] for clip, positions in zip(clips, own, strict=True)]
    by_role: dict[Role, Tensor] = {"query": vectors["query"], "document": vectors["document"]}
    return Targets([lang for lang, _ in texts], by_role, list(own), spoken)


def _read(shard: TextShard) -> dict[str, Tensor]:
    try:
        found: dict[str, Tensor] = load(store.read_bytes(shard.url))
        return found
    except SafetensorError as error:
        raise InputError(f"{shard.url}: not a shard of vectors ({error}); delete it and run again") from None
