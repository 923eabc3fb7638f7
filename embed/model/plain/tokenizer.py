"""Tokenizer of a checkpoint's `tokenizer.json`, with the same call as the tokenizers of `transformers`."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Encoding, Tokenizer

from embed.model.plain.checkpoint import read_json
from embed.model.plain.vocabulary import Vocabulary, stored_vocabulary

# Classes that use the file unchanged; any other builds another tokenizer from it.
AS_IT_IS = ("PreTrainedTokenizerFast", "TokenizersBackend")
# Characters that are tokenised by a stored vocabulary: they cost as much time as to load the whole one, once.
FEW_CHARACTERS = 15_000
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
    return PlainTokenizer(file, specials)


class PlainTokenizer:
    """Texts to ids.  The special tokens in `specials`, by role, are one token each wherever a text has them.

    A large vocabulary is loaded once many texts are tokenised; for the first few see `embed.model.plain.vocabulary`.
    """

    def __init__(self, file: Path, specials: dict[str, str]) -> None:
        self._file, self._specials = file, list(dict.fromkeys(specials.values()))
        self._stored = self._usable(stored_vocabulary(file))
        self._shell = self._made(self._stored.shell()) if self._stored is not None else self._whole
        self._left = FEW_CHARACTERS
        self.eos_token_id, self.pad_token_id = (self._id(specials.get(role)) for role in ("eos_token", "pad_token"))

    def __call__(self, texts: str | Sequence[str], add_special_tokens: bool = True, **_: Any) -> dict[str, Any]:
        """`input_ids`: a list of ids for a text, a list of such lists for several."""
        batch = [texts] if isinstance(texts, str) else list(texts)
        self._left -= sum(map(len, batch))
        few = self._stored is not None and self._left >= 0
        found = self._few(batch, add_special_tokens) if few else self._all(batch, add_special_tokens)
        return {"input_ids": found[0] if isinstance(texts, str) else found}

    def _all(self, texts: list[str], specials: bool) -> list[list[int]]:
        self._stored = None  # from now on the whole one is there
        return [one.ids for one in self._whole.encode_batch(texts, add_special_tokens=specials)]

    def _few(self, texts: list[str], specials: bool) -> list[list[int]]:
        assert self._stored is not None
        words = {word for text in texts for word in _words(self._shell.encode(text, add_special_tokens=False))}
        content, ids = self._stored.of_words(words)
        found = self._made(content).encode_batch(texts, add_special_tokens=specials)
        return [ids[one.ids].tolist() for one in found]

    @cached_property
    def _whole(self) -> Tokenizer:
        return self._made(self._file.read_text(encoding="utf-8"))

    def _made(self, content: str) -> Tokenizer:
        """A tokenizer of the content of a `tokenizer.json`."""
        tokenizer = Tokenizer.from_str(content)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in self._specials])
        return tokenizer

    def _usable(self, stored: Vocabulary | None) -> Vocabulary | None:
        """None where a special token is none of the pieces that keep their ids."""
        if stored is None:
            return None
        # None of the vocabulary's own: the tokenizer numbers it after all of them.
        tokenizer = Tokenizer.from_str(stored.shell())
        return stored if all(tokenizer.token_to_id(token) is not None for token in self._specials) else None

    def _id(self, token: str | None) -> int | None:
        return None if token is None else self._shell.token_to_id(token)


def _words(encoding: Encoding) -> Iterator[str]:
    """The words of a text as the model gets them, normalised: their unknown pieces, joined."""
    for _, pieces in groupby(zip(encoding.word_ids, encoding.tokens, strict=True), key=lambda piece: piece[0]):
        yield "".join(piece for _, piece in pieces)
