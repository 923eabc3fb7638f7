"""Frozen text tower: any `transformers` encoder, causal or bidirectional; pooling at last, mean or first position.

Shapes: B batch, T positions, H the tower's width.  Padding is on the right and masked, so that a causal tower
never sees it and a bidirectional one never attends to it.
"""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from embed.encoder import Role
from embed.model.plain.bert import plain_bert
from embed.model.plain.tokenizer import plain_tokenizer
from embed.model.spec import TextTowerSpec
from embed.model.towers.files import tower_place


class TextTower(nn.Module):
    """Token ids or ready embeddings in, pooled [B, H] out; frozen unless a training unfreezes some of it."""

    def __init__(self, spec: TextTowerSpec, model: Any, tokenizer: Any) -> None:
        super().__init__()
        self.spec = spec
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        # Some towers end with a projection from the width of their states to that of the vector.
        self.width: int = getattr(model.config, "embedding_dim", None) or model.config.hidden_size
        self._specials = _special_frame(tokenizer, spec)
        # A decoder would keep keys and values of all its layers for tokens that never come.
        self._options = {"use_cache": False} if "use_cache" in inspect.signature(model.forward).parameters else {}

    @classmethod
    def load(cls, spec: TextTowerSpec, plain: bool = False) -> "TextTower":
        """By name, in float32.  Raises SpecError where the name is not packaged, a folder or on the hub.

        `plain`, for a CPU: by `embed.model.plain` where it has the architecture, with the same vectors.
        """
        place = Path(tower_place(spec.name))
        if plain and (model := plain_bert(place)) and (tokenizer := plain_tokenizer(place)):
            return cls(spec, model, tokenizer)
        from embed.model.towers.pretrained import text_model  # transformers takes seconds to import

        return cls(spec, *text_model(spec.name))

    def train(self, mode: bool = True) -> "TextTower":
        """Stays in evaluation mode inside any module: a frozen tower has no dropout."""
        return super().train(False)

    def prefix(self, role: Role, task: str | None = None) -> str:
        """Text before a text of this role."""
        if role == "document":
            return self.spec.document
        return self.spec.query.replace("{task}", task if task is not None else self.spec.task)

    def frame(self, role: Role, task: str | None = None) -> tuple[list[int], list[int]]:
        """Token ids before and after the content: the instruction, and the end token."""
        start, end = self._specials
        return [*start, *self._plain(self.prefix(role, task))], end

    def bare_frame(self) -> tuple[list[int], list[int]]:
        """Token ids before and after content that has no instruction."""
        return self._specials

    def tokens(self, texts: Sequence[str], role: Role, task: str | None = None) -> list[list[int]]:
        """Ids with prefix and special tokens; a text over `max_tokens` is cut and keeps its end token."""
        start, end = self._specials
        prefix = self.prefix(role, task)
        room = self.spec.max_tokens - len(start) - len(end)
        return [[*start, *ids[:room], *end] for ids in self._all_plain([prefix + text for text in texts])]

    def embeddings(self, ids: Tensor) -> Tensor:
        """The word embeddings of ids of any shape: [..., H]."""
        embedded: Tensor = self.model.get_input_embeddings()(ids)
        return embedded

    def pooled(self, mask: Tensor, *, ids: Tensor | None = None, embedded: Tensor | None = None) -> Tensor:
        """float32 [B, H] from ids [B, T] or embedded [B, T, H]; mask [B, T] is True where there is content."""
        given = {"input_ids": ids} if embedded is None else {"inputs_embeds": embedded.to(self.model.dtype)}
        states = self.model(**given, attention_mask=mask.long(), **self._options).last_hidden_state
        return pool(states.float(), mask, self.spec.pooling)

    def _plain(self, text: str) -> list[int]:
        return self._all_plain([text])[0]

    def _all_plain(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids without special tokens, in one call: fast tokenizers are faster on many texts than one by one."""
        kept = {"return_attention_mask": False, "return_token_type_ids": False}
        ids: list[list[int]] = (
            self.tokenizer(list(texts), add_special_tokens=False, **kept)["input_ids"] if texts else []
        )
        return ids


def pool(states: Tensor, mask: Tensor, how: str) -> Tensor:
    """[B, H] of states [B, T, H]: the last content position, the mean over content, or the first position."""
    if how == "cls":
        return states[:, 0]
    if how == "last":
        last = mask.long().sum(1) - 1
        return states[torch.arange(len(states), device=states.device), last]
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)


def _special_frame(tokenizer: Any, spec: TextTowerSpec) -> tuple[list[int], list[int]]:
    """The tokenizer's special tokens before and after any text; last pooling always gets an end token."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a", add_special_tokens=True)["input_ids"]
    at = next(i for i in range(len(whole)) if whole[i : i + len(plain)] == plain)
    start, end = whole[:at], whole[at + len(plain) :]
    if spec.pooling == "last" and not end:
        end = [tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id]
    return start, end
