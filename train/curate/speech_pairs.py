"""Pairs of speech and text: the clips that a spec names, in the project's split.

The recordings of a source in its own `TEXT_LANGS` decide the parts of its prompts, whatever the spec lists: a new
language of speech or of texts moves nothing from test to train.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from embed.errors import InputError, SpecError
from train.curate.clip import Clip, text_key
from train.curate.dropped import HELD_OUT_TEXT, IN_TWO_PARTS, Dropped
from train.curate.sources import manifest, manuals, synthetic
from train.curate.sources.table import SOURCES
from train.curate.sources.vocabulary import LANGS as VOCABULARY_LANGS
from train.curate.sources.vocabulary import core, vocabulary
from train.curate.split import PARTS, Part, split, split_with_known
from train.curate.synthesis.speak import OnProgress
from train.spec import SourceSpec, TextSourceSpec


@dataclass(frozen=True)
class Parts:
    train: list[Clip] = field(default_factory=list)
    dev: list[Clip] = field(default_factory=list)
    test: list[Clip] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)


def clips_by_part(
    sources: Sequence[SourceSpec],
    cache: Path,
    target_langs: Sequence[str] = (),
    *,
    spoken: bool = True,
    on_progress: OnProgress | None = None,
) -> Parts:
    """The clips of every source in train, dev and test, with their texts in the target languages.

    No clip of train has the text, in its own language, of a prompt in dev or test of any source.  `on_progress` gets
    the number of synthetic clips made so far and of all; where `spoken` is false none is made, and durations are
    estimates.
    Raises SpecError for languages that a source does not have, InputError as `manifest.clips`.
    """
    recordings = [source for source in sources if source.name != "synthetic"]
    found = [_of_source(source, cache, target_langs) for source in recordings]
    held_out = {
        text for parts, _ in found for part in ("dev", "test") for clip in parts[part] for text in texts_of(clip)
    }
    all_parts = Parts(dropped=[Dropped(clip.name, IN_TWO_PARTS) for _, conflicts in found for clip in conflicts])
    for source, (parts, _) in zip(recordings, found, strict=True):
        chosen = {part: [clip for clip in parts[part] if _is_chosen(source, clip)] for part in PARTS}
        all_parts.dev.extend(chosen["dev"])
        all_parts.test.extend(chosen["test"])
        for clip in chosen["train"]:
            if (clip.lang, text_key(clip.text)) in held_out:
                all_parts.dropped.append(Dropped(clip.name, HELD_OUT_TEXT))
            else:
                all_parts.train.append(clip)
    speech = _synthetic(sources, cache, target_langs, spoken, on_progress)
    all_parts.train.extend(clip for clip in speech.clips if (clip.lang, text_key(clip.text)) not in held_out)
    all_parts.dropped.extend(speech.dropped)
    all_parts.dropped.extend(
        Dropped(clip.name, HELD_OUT_TEXT) for clip in speech.clips if (clip.lang, text_key(clip.text)) in held_out
    )
    return all_parts


def held_out(cache: Path, langs: Sequence[str] = ()) -> tuple[set[tuple[str, str]], set[str]]:
    """Texts and keys of dev and test of every installable source: language and core of each text, also in `langs`.

    All sources, not only those of a spec: a model is scored on all of them.
    """
    texts: set[tuple[str, str]] = set()
    keys: set[str] = set()
    for name, source in SOURCES.items():
        parts, conflicts = prompts_by_part(name, cache, source.LANGS, (*VOCABULARY_LANGS, *langs))
        own_keys = {clip.key for clip in (*parts["dev"], *parts["test"], *conflicts)}
        # An evaluation may split the recordings of one language alone, joined by that language's texts.
        by_lang = [split(source.clips(cache, (lang,))) for lang in source.LANGS]
        own_keys |= {clip.key for one in by_lang for part in ("dev", "test") for clip in one[part]}
        keys |= own_keys
        for clip in (*parts["train"], *parts["dev"], *parts["test"], *conflicts):
            if clip.key in own_keys:
                texts |= {(lang, core(lang, text)) for lang, text in _all_texts(clip)}
    return texts, keys


def prompts_by_part(
    name: str, cache: Path, langs: Sequence[str], text_langs: Sequence[str] = ()
) -> tuple[dict[Part, list[Clip]], list[Clip]]:
    """Recordings of an installable source in `langs` and its `TEXT_LANGS` by part, and those that belong to two."""
    source = SOURCES[name]
    every = source.clips(cache, tuple(dict.fromkeys((*langs, *source.TEXT_LANGS))), text_langs)
    narrow = {id(clip): _narrowed(clip, source.TEXT_LANGS) for clip in every}
    # A recording in one language can join two prompts of another: the split must see it, also where it is not in use.
    known = split(narrow[id(clip)] for clip in every if clip.lang in source.TEXT_LANGS)
    others = [narrow[id(clip)] for clip in every if clip.lang not in source.TEXT_LANGS]
    more, conflicts = split_with_known(known, others)
    whole = {id(narrow[id(clip)]): clip for clip in every}
    home = {id(clip): part for found in (known, more) for part, members in found.items() for clip in members}
    parts: dict[Part, list[Clip]] = {part: [] for part in PARTS}
    for clip in every:  # in the source's own order
        if id(narrow[id(clip)]) in home:
            parts[home[id(narrow[id(clip)])]].append(clip)
    return parts, [whole[id(clip)] for clip in conflicts]


def texts_of(clip: Clip) -> set[tuple[str, str]]:
    """Language and words of all its texts that have words."""
    found = {(lang, text_key(text)) for lang, text in _all_texts(clip)}
    return {one for one in found if one[1]}


def licences(sources: Sequence[SourceSpec | TextSourceSpec], with_manuals: bool) -> dict[str, str]:
    """Package or manifest -> licence, for the model card.  `with_manuals`: the transform was fitted on manuals too."""
    found: dict[str, str] = {}
    for spec in sources:
        if spec.name == "synthetic":
            found |= synthetic.LICENCES
        elif spec.name == "manifest":
            found[spec.url.rpartition("/")[2]] = manifest.LICENCE
        elif spec.name == "manuals":
            found |= dict.fromkeys(manuals.packages(spec.langs), manuals.LICENCE)
        else:
            source = SOURCES[spec.name]
            # The split reads the texts of these languages.
            langs = tuple(dict.fromkeys((*source.TEXT_LANGS, *spec.langs)))
            found |= dict.fromkeys(source.packages(langs), source.LICENCE)
    return found | (dict.fromkeys(manuals.packages(manuals.LANGS), manuals.LICENCE) if with_manuals else {})


def _synthetic(
    sources: Sequence[SourceSpec],
    cache: Path,
    target_langs: Sequence[str],
    spoken: bool,
    on_progress: OnProgress | None,
) -> synthetic.Speech:
    """Speech of every synthetic source; dropped texts are listed once."""
    chosen = [source for source in sources if source.name == "synthetic"]
    for source in chosen:
        _check_langs(source, synthetic.LANGS)
    if not chosen:
        return synthetic.Speech()
    texts = vocabulary(cache, target_langs, *held_out(cache, target_langs))
    out = synthetic.Speech(dropped=list(texts.dropped))
    for source in chosen:
        speech = synthetic.clips(
            cache, source.langs, texts.entries, source.most, on_progress=on_progress, spoken=spoken
        )
        out.clips.extend(speech.clips)
        out.dropped.extend(speech.dropped)
    return out


def _of_source(
    source: SourceSpec, cache: Path, target_langs: Sequence[str]
) -> tuple[dict[Part, list[Clip]], list[Clip]]:
    if source.name == "manifest":
        return _of_manifest(source)
    _check_langs(source, SOURCES[source.name].LANGS)
    return prompts_by_part(source.name, cache, source.langs, target_langs)


def _check_langs(source: SourceSpec, langs: Sequence[str]) -> None:
    missing = [lang for lang in source.langs if lang not in langs]
    if missing:
        speech = "voice" if source.name == "synthetic" else "recordings"
        raise SpecError(f"field 'sources': {source.name} has no {speech} in {missing[0]!r}; it has {', '.join(langs)}")


def _of_manifest(source: SourceSpec) -> tuple[dict[Part, list[Clip]], list[Clip]]:
    """A manifest's clips: in the part that a row names, the others by the split."""
    every = manifest.clips(source.url, source.langs)
    if not every:
        langs = f" in {', '.join(source.langs)}" if source.langs else ""
        raise InputError(f"{source.url}: lists no recordings{langs}; write one recording per line: {manifest.EXAMPLE}")
    known: dict[Part, list[Clip]] = {part: [clip for clip, own in every if own == part] for part in PARTS}
    more, conflicts = split_with_known(known, [clip for clip, own in every if own is None])
    return {part: known[part] + more[part] for part in PARTS}, conflicts


def _all_texts(clip: Clip) -> Iterator[tuple[str, str]]:
    yield clip.lang, clip.text
    yield from clip.translations.items()


def _is_chosen(source: SourceSpec, clip: Clip) -> bool:
    return source.name == "manifest" or clip.lang in source.langs


def _narrowed(clip: Clip, langs: Sequence[str]) -> Clip:
    """The clip with those texts alone that the split uses."""
    texts = {lang: text for lang, text in clip.translations.items() if lang in langs}
    return replace(clip, text=clip.text if clip.lang in langs else "", translations=texts)
