"""Tokenizer of a checkpoint's `tokenizer.json`, with the same call as the tokenizers of `transformers`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from embed.model.plain.checkpoint import read_json

# Classes that use the file unchanged; any other builds another tokenizer from it.
AS_IT_IS = ("PreTrainedTokenizerFast", "TokenizersBackend")
ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


def plain_tokenizer(folder: Path) -> "PlainTokenizer | None":
    """The tokenizer of a checkpoint's folder; None where its settings need more than `tokenizer.json`."""
    values, file = read_json(folder / "tokenizer_config.json"), folder / "tokenizer.json"
    if values is None or values.get("tokenizer_class") not in AS_IT_IS or not file.is_file():
        return None
    specials = {role: values[role] for role in ROLES if values.get(role)}
    plain = all(isinstance(token, str) for token in specials.values())
    if not plain or {"added_tokens_decoder", "extra_special_tokens", "auto_map"} & values.keys():
        return None
    return PlainTokenizer(Tokenizer.from_file(str(file)), specials)


class PlainTokenizer:
    """Texts to ids.  The special tokens in `specials`, by role, are one token each wherever a text has them."""

    def __init__(self, tokenizer: Tokenizer, specials: dict[str, str]) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.add_special_tokens(
            [AddedToken(token, special=True, normalized=False) for token in dict.fromkeys(specials.values())]
        )
        self._tokenizer = tokenizer
        self.eos_token_id, self.pad_token_id = (self._id(specials.get(role)) for role in ("eos_token", "pad_token"))

    def __call__(self, texts: str | Sequence[str], add_special_tokens: bool = True, **_: Any) -> dict[str, Any]:
        """`input_ids`: a list of ids for a text, a list of such lists for several."""
        if isinstance(texts, str):
            return {"input_ids": self._tokenizer.encode(texts, add_special_tokens=add_special_tokens).ids}
        found = self._tokenizer.encode_batch(list(texts), add_special_tokens=add_special_tokens)
        return {"input_ids": [one.ids for one in found]}

    def _id(self, token: str | None) -> int | None:
        return None if token is None else self._tokenizer.token_to_id(token)
