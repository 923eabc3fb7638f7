"""The frozen side of training: every text that speech may be drawn to, as vectors, computed once.

Shapes: N distinct texts, D the space's width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from embed.encoder import Role
from embed.model.joint import JointEncoder
from train.curate.sources.clips import Clip, words


@dataclass(frozen=True)
class Targets:
    """Texts with their vectors in both roles, and where each clip's own texts stand among them."""

    langs: list[str]  # [N]
    vectors: Mapping[Role, Tensor]  # each [N, D], unit rows
    own: list[Mapping[str, int]]  # per clip: language -> position of its text in that language
    spoken: list[int]  # per clip: position of its transcript

    def prefixes(self, role: Role, dims: Sequence[int]) -> dict[int, Tensor]:
        """Unit prefixes [N, d] of the texts' vectors in a role, by d."""
        return {dim: nn.functional.normalize(self.vectors[role][:, :dim], dim=-1) for dim in dims}


def gather_texts(clips: Sequence[Clip], langs: Sequence[str]) -> tuple[list[tuple[str, str]], list[dict[str, int]]]:
    """Distinct (language, text) over clips in the wanted languages and their own, and each clip's positions."""
    texts: list[tuple[str, str]] = []
    place: dict[tuple[str, str], int] = {}
    own: list[dict[str, int]] = []
    for clip in clips:
        wanted = {
            clip.lang: clip.text,
            **{lang: clip.translations[lang] for lang in langs if lang in clip.translations},
        }
        own.append({})
        for lang, text in wanted.items():
            key = (lang, " ".join(words(text)))
            if key not in place:
                place[key] = len(texts)
                texts.append((lang, text))
            own[-1][lang] = place[key]
    return texts, own


def encode_texts(model: JointEncoder, texts: Sequence[tuple[str, str]]) -> dict[Role, Tensor]:
    """Vectors [N, D] of the texts in both roles, through the model's transform."""
    roles: tuple[Role, ...] = ("query", "document")
    return {role: torch.from_numpy(model.encode([text for _, text in texts], role)) for role in roles}


def targets_of(
    clips: Sequence[Clip],
    texts: Sequence[tuple[str, str]],
    own: Sequence[Mapping[str, int]],
    vectors: Mapping[str, Tensor],
) -> Targets:
    """Put together what `gather_texts` and `encode_texts` found."""
    spoken = [positions[clip.lang] for clip, positions in zip(clips, own, strict=True)]
    by_role: dict[Role, Tensor] = {"query": vectors["query"], "document": vectors["document"]}
    return Targets([lang for lang, _ in texts], by_role, list(own), spoken)
