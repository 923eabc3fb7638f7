"""Lines of a benchmark: questions, documents and right answers, collected from clips.

Texts with the same words are one; recordings and texts of one key answer each other, each in its own parts.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

from train.curate.clip import Clip, text_key
from train.curate.split import Part

Row = dict[str, object]


class Lines:
    """Lines by id in the order in which they are added, with the texts of these languages, and qrels by part."""

    def __init__(self, text_langs: Sequence[str]) -> None:
        self.queries: dict[str, Row] = {}
        self.corpus: dict[str, Row] = {}
        self.qrels: dict[str, dict[str, dict[str, int]]] = {}
        self._text_langs = text_langs
        self._names = Counter[str]()  # of recordings
        self._of_key: dict[tuple[str, str], list[str]] = {}  # recordings, by part and key

    def judge(self, part: str, query: str, documents: Iterable[str], grade: int = 1) -> None:
        """The documents answer the query in this part; a grade of 0 is no answer."""
        self.qrels.setdefault(part, {}).setdefault(query, {}).update(dict.fromkeys(documents, grade))

    def add_texts(self, prompts: Iterable[Mapping[str, str]], part: str = "") -> None:
        """Documents: the texts of each prompt by language; with a part, they are candidates in that part alone."""
        prompts = list(prompts)
        for lang in self._text_langs:
            for texts in prompts:
                if id := self._text_id(lang, texts.get(lang, "")):
                    row = self.corpus.setdefault(id, _text_row(id, lang, texts[lang], part))
                    if row.get("part", "") != part:
                        row.pop("part", None)

    def add_clips(self, clips: Iterable[Clip], parts: Sequence[Part], with_speech: bool) -> None:
        """Questions of these parts, recordings and right answers of the clips that have one of the texts."""
        for clip in clips:
            texts = {lang: clip.translations[lang] for lang in self._text_langs if lang in clip.translations}
            ids = {lang: id for lang, text in texts.items() if (id := self._text_id(lang, text))}
            if self._text_langs and not ids:
                continue
            for lang, id in ids.items():
                self.queries.setdefault(id, _text_row(id, lang, texts[lang]))
                for part in parts:
                    self.judge(part, id, (other for other in ids.values() if other != id))
            if with_speech:
                self._add_recording(clip, parts, list(ids.values()))

    def _add_recording(self, clip: Clip, parts: Sequence[Part], texts: Sequence[str]) -> None:
        id = self._recording_id(clip)
        self.queries[id] = recording_row(id, clip)
        self.corpus[id] = recording_row(id, clip, parts[0] if len(parts) == 1 else "")
        for part in parts:
            same = self._of_key.setdefault((part, clip.key), [])
            self.judge(part, id, (*texts, *same))
            for other in (*texts, *same):
                self.judge(part, other, [id])
            same.append(id)

    def _text_id(self, lang: str, text: str) -> str:
        """The same words have the same id in every run, after the language where there are several; "" of no words."""
        key = text_key(text)
        name = blake2b(key.encode(), digest_size=8).hexdigest()
        return "" if not key else name if len(self._text_langs) == 1 else f"{lang}-{name}"

    def _recording_id(self, clip: Clip) -> str:
        """Key and language without blanks; further recordings of one key are numbered."""
        name = "_".join(f"{clip.key}/{clip.lang}".split())
        self._names[name] += 1
        return name if self._names[name] == 1 else f"{name}/{self._names[name]}"


def recording_row(id: str, clip: Clip, part: str = "") -> Row:
    """The line of a recording; with a part, it is a candidate in that part alone."""
    end_s = None if clip.duration_s is None else clip.offset_s + clip.duration_s
    found: Row = {"_id": id, "audio": clip.uri, "start_s": clip.offset_s, "end_s": end_s}
    return found | {"text": clip.text, "lang": clip.lang} | ({"part": part} if part else {})


def _text_row(id: str, lang: str, text: str, part: str = "") -> Row:
    found: Row = {"_id": id, "text": text, "lang": lang}
    return found | ({"part": part} if part else {})
