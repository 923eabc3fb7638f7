"""Cutting of text: a unit becomes passages."""

from embed.archive.side_files import broken_rows, is_side_table
from embed.archive.utterance_lists import broken_lines
from embed.segmentation.cut_row import BrokenRows, CutRow
from embed.segmentation.passages import PassageSpec, shortened, spans
from embed.segmentation.rules import Cutting
from embed.segmentation.tokens import Words
from embed.text.documents import Broken, Document, is_blank
from embed.text.encodings import ENCODING
from embed.text.formats import read_documents
from embed.text.gzipped import encoding_of


def cut_text(row: CutRow, rules: Cutting, words: Words) -> None:
    """Passages of a unit of text; each line, row or paragraph that cannot be read is a failure."""
    unit, cutting = row.unit, rules.text(dict(row.unit["columns"] or ()))
    broken = BrokenRows(row)
    for found in read_documents(unit):
        row.stage = "segment"
        if isinstance(found, Broken):
            broken.add(found)
        else:
            _keep_passages(row, cutting, found, rules.passage, words)
    broken.close()
    row.reason = None if row.segments else "no text in it"


def _keep_passages(row: CutRow, cutting: str, found: Document, spec: PassageSpec, words: Words) -> None:
    # A document with only a title is embedded by its title.
    text, title = (found.text, shortened(found.title, words)) if not is_blank(found.text) else (found.title, "")
    metadata = list(found.metadata.items())
    for low, high in spans(text, spec, words):
        # The title is put before every passage, as usual in retrieval corpora; places count the text only.
        passage = f"{title}\n{text[low:high]}" if title else text[low:high]
        start, end = found.first_char + low, found.first_char + high
        row.keep(cutting, start, end, found.item, found.place, text=passage, lang=found.lang, metadata=metadata)


def report_broken_lines(row: CutRow) -> None:
    """Failures of a list of recordings: it is an asset itself where some of its lines cannot be read."""
    broken = BrokenRows(row)
    url, version = row.unit["url"], row.unit["content_version"]
    encoding = encoding_of(url, dict(row.unit["columns"] or ()).get(ENCODING))
    is_table = is_side_table(url, version, encoding)
    for one in (broken_rows if is_table else broken_lines)(url, version, encoding):
        broken.add(one)
    broken.close()
