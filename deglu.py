"""Deglu for Python: speech and text searchable by meaning, together, in one vector space.

In: a spec or a url.  Out: a dataset of vectors, an index, answers.  Everything named here is public API; what it is
made of (`embed`, `index`, `train`, `evaluate`, `jobs`) may change.  Names are imported at first use, so that
`import deglu` costs milliseconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from embed.errors import (
    AlreadyPublished,
    DataUnavailable,
    DegluError,
    FingerprintMismatch,
    InputError,
    SpecError,
    StorageError,
    UnreadableFile,
    UnsupportedFormat,
    WorkLeftUndone,
)
from embed.installation import check_packages

if TYPE_CHECKING:
    from embed.audio.questions import decoder_for
    from embed.dataset.vectors import open_dataset
    from embed.model.weights import load_encoder
    from embed.spec import EmbedSpec
    from evaluate.spec import MeasureSpec
    from evaluate.tasks import evaluate
    from index.ask.answers import ask
    from index.ask.questions import Question
    from index.ask.searcher import open_index
    from index.ask.sharded import ShardedIndex
    from index.contracts import SearchRequest
    from index.filter import parse_where
    from index.spec import IndexSpec
    from jobs.cluster.submit_job import submit_job as submit
    from jobs.embedding.embed_archive import embed_archive as embed
    from jobs.indexing.build_index import build_index

__all__ = [
    "AlreadyPublished",
    "DataUnavailable",
    "DegluError",
    "EmbedSpec",
    "FingerprintMismatch",
    "IndexSpec",
    "InputError",
    "MeasureSpec",
    "Question",
    "SearchRequest",
    "ShardedIndex",
    "SpecError",
    "StorageError",
    "UnreadableFile",
    "UnsupportedFormat",
    "WorkLeftUndone",
    "ask",
    "build_index",
    "decoder_for",
    "embed",
    "evaluate",
    "load_encoder",
    "open_dataset",
    "open_index",
    "parse_where",
    "submit",
]

# Where a name is defined; imported when it is first asked for.
_HOMES = {
    "EmbedSpec": "embed.spec:EmbedSpec",
    "IndexSpec": "index.spec:IndexSpec",
    "MeasureSpec": "evaluate.spec:MeasureSpec",
    "Question": "index.ask.questions:Question",
    "SearchRequest": "index.contracts:SearchRequest",
    "ShardedIndex": "index.ask.sharded:ShardedIndex",
    "ask": "index.ask.answers:ask",
    "build_index": "jobs.indexing.build_index:build_index",
    "decoder_for": "embed.audio.questions:decoder_for",
    "embed": "jobs.embedding.embed_archive:embed_archive",
    "evaluate": "evaluate.tasks:evaluate",
    "load_encoder": "embed.model.weights:load_encoder",
    "open_dataset": "embed.dataset.vectors:open_dataset",
    "open_index": "index.ask.searcher:open_index",
    "parse_where": "index.filter:parse_where",
    "submit": "jobs.cluster.submit_job:submit_job",
}

check_packages()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'deglu' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    globals()[name] = getattr(import_module(module), attribute)
    return globals()[name]
