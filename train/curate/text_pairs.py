"""Pairs of texts with the same meaning, or of a question and its answer, to train the text tower.

Captions are paired in every order of the source's `langs`, manuals where a section has equally many paragraphs in
both.  A manifest has one pair per row: `query`, `document`, and optionally `task`, `negatives`, `lang` (or
`query_lang` and `document_lang`), `key`, `part`; in tables `negative`, `negative_2` and so on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations
from pathlib import Path
from typing import Any

from embed.errors import InputError, SpecError
from embed.storage import store
from train.curate.clip import Clip, text_key, words
from train.curate.dropped import HELD_OUT_TEXT, IN_TWO_PARTS, Dropped
from train.curate.sources import manifest, manuals
from train.curate.sources.table import SOURCES, list_name
from train.curate.speech_pairs import prompts_by_part, texts_of
from train.curate.split import PARTS, Part, split_with_known
from train.spec import TextSourceSpec

SAME_MEANING = "Given a text, retrieve texts in other languages that say the same"
EXAMPLE = '{"query": "...", "document": "...", "lang": "fr"}'


@dataclass(frozen=True)
class TextPair:
    """A query and its document.  An empty task is the tower's own; pairs of one key are no negatives of each other."""

    key: str
    query: str
    document: str
    task: str = ""
    negatives: tuple[str, ...] = ()
    langs: tuple[str, str] = ("", "")  # of query and document; "" is unknown


@dataclass(frozen=True)
class PairParts:
    train: list[TextPair] = field(default_factory=list)
    dev: list[TextPair] = field(default_factory=list)
    test: list[TextPair] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)


@dataclass(frozen=True)
class _SourcePairs:
    """Pairs of a source by prompt, the prompts with the texts that decide the split, and those whose part is known."""

    pairs: Mapping[str, list[TextPair]]
    prompts: Sequence[Clip]
    known: Mapping[Part, Sequence[Clip]]


def pairs_by_part(sources: Sequence[TextSourceSpec], cache: Path) -> PairParts:
    """Pairs of every source in the project's split: a prompt is in the part of its recordings.

    No text of a training pair is in dev or test, in the same language.
    Raises SpecError where a source does not have two of the languages, InputError as `manifest.rows`.
    """
    all_parts = PairParts()
    train: list[TextPair] = []
    held_out: set[tuple[str, str]] = set()
    for source in sources:
        found = _of_manifest(source) if source.name == "manifest" else _aligned(source, cache)
        parts, conflicts = split_with_known(found.known, found.prompts)
        all_parts.dropped.extend(Dropped(prompt.key, IN_TWO_PARTS) for prompt in conflicts)
        pairs = {part: [pair for one in parts[part] for pair in found.pairs[one.key]] for part in PARTS}
        train += pairs["train"]
        all_parts.dev.extend(pairs["dev"])
        all_parts.test.extend(pairs["test"])
        held_out |= {text for part in ("dev", "test") for one in found.known.get(part, ()) for text in texts_of(one)}
        held_out |= {text for part in ("dev", "test") for pair in pairs[part] for text in _texts(pair)}
    for pair in train:
        if held_out.isdisjoint(_texts(pair)):
            all_parts.train.append(pair)
        else:
            all_parts.dropped.append(Dropped(pair.key, HELD_OUT_TEXT))
    return all_parts


def _texts(pair: TextPair) -> set[tuple[str, str]]:
    return {(lang, text_key(text)) for lang, text in zip(pair.langs, (pair.query, pair.document), strict=True)}


def _aligned(source: TextSourceSpec, cache: Path) -> _SourcePairs:
    """Pairs of the same text in every two of the languages, both ways."""
    if len(set(source.langs)) < 2:
        raise SpecError(f"field 'texts': {source.name} requires two or more languages, e.g. langs: [fr, en]")
    known: Mapping[Part, Sequence[Clip]] = {}
    if source.name == "manuals":
        _refuse_unknown(source, manuals.LANGS)
        texts: Mapping[str, Mapping[str, str]] = manuals.aligned(cache, source.langs)
        prefix, text_langs = manuals.SOURCE, source.langs
    else:
        module = SOURCES[source.name]
        texts = module.captions(cache, tuple(dict.fromkeys((*source.langs, *module.TEXT_LANGS))))
        _refuse_unknown(source, sorted({lang for one in texts.values() for lang in one}))
        known, _ = prompts_by_part(source.name, cache, ())
        prefix, text_langs = module.SOURCE, module.TEXT_LANGS
    pairs, prompts = {}, []
    for name, by_lang in texts.items():
        key = f"{prefix}:{name}"
        orders = [_pair_of(key, by_lang, langs) for langs in permutations(source.langs, 2) if {*langs} <= {*by_lang}]
        # A text that is equal in both languages trains nothing.
        pairs[key] = [pair for pair in orders if text_key(pair.query) != text_key(pair.document)]
        if pairs[key]:
            split_texts = {lang: text for lang, text in by_lang.items() if lang in text_langs}
            prompts.append(Clip(prefix, key, "", "", "", split_texts))
    return _SourcePairs(pairs, prompts, known)


def _pair_of(key: str, texts: Mapping[str, str], langs: tuple[str, str]) -> TextPair:
    return TextPair(key, texts[langs[0]], texts[langs[1]], SAME_MEANING, langs=langs)


def _refuse_unknown(source: TextSourceSpec, has: Sequence[str]) -> None:
    missing = [lang for lang in source.langs if lang not in has]
    if missing:
        raise SpecError(f"field 'texts': {source.name} has no texts in {missing[0]!r}; it has {', '.join(has)}")


def _of_manifest(source: TextSourceSpec) -> _SourcePairs:
    url = store.absolute(source.url)
    pairs: dict[str, list[TextPair]] = {}
    prompts: list[Clip] = []
    known: dict[Part, list[Clip]] = {part: [] for part in PARTS}
    for place, row in manifest.rows(url):
        try:
            pair, part = _pair(list_name(url), row), manifest.part_in(row)
        except ValueError as error:
            raise InputError(f"{url}, {place}: {error}") from None
        if not source.langs or {*pair.langs} - {""} <= {*source.langs}:
            pairs.setdefault(pair.key, []).append(pair)
            prompt = Clip(list_name(url), pair.key, "", pair.query, "", {"": pair.document})
            prompts.append(prompt)
            if part is not None:
                known[part].append(prompt)
    if not pairs:
        raise InputError(f"{url}: lists no pairs of texts; write one pair per line: {EXAMPLE}")
    return _SourcePairs(pairs, _joined(prompts), known)


def _joined(prompts: Iterable[Clip]) -> list[Clip]:
    """One prompt per key, with the texts of all its rows."""
    texts: dict[str, dict[str, str]] = {}
    whole: dict[str, Clip] = {}
    for prompt in prompts:
        whole.setdefault(prompt.key, prompt)
        for text in (prompt.text, *prompt.translations.values()):
            texts.setdefault(prompt.key, {}).setdefault(text_key(text), text)
    return [replace(prompt, text="", translations=texts[key]) for key, prompt in whole.items()]


def _pair(source: str, row: Mapping[str, Any]) -> TextPair:
    """Raises ValueError that says how to correct the row."""
    query, document = (manifest.text_in(row, name) for name in ("query", "document"))
    for name, text in (("query", query), ("document", document)):
        if not words(text):
            raise ValueError(f"{name} is missing; give a query and the document that answers it")
    lang = manifest.text_in(row, "lang")
    langs = (manifest.text_in(row, "query_lang") or lang, manifest.text_in(row, "document_lang") or lang)
    # Rows of one query share a key: their documents are never negatives of each other.
    key = manifest.text_in(row, "key") or text_key(query)
    return TextPair(f"{source}:{key}", query, document, manifest.text_in(row, "task"), _negatives(row), langs)


def _negatives(row: Mapping[str, Any]) -> tuple[str, ...]:
    listed = row.get("negatives") or []
    if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
        raise ValueError(f'negatives is {listed!r}; give a list of texts, e.g. ["..."]')
    columns = [name for name in row if name == "negative" or name.startswith("negative_")]
    return tuple(text for text in (*listed, *(manifest.text_in(row, name) for name in columns)) if words(text))
