"""The embedding bench as a whole: its sections are modules of their own, and only it is a bench."""

from evaluate.bench.embed import __main__ as embed
from evaluate.bench.embed import gpu as embed_gpu
from evaluate.bench.embed import speech as embed_speech
from evaluate.bench.embed import text as embed_text


def test_the_sections_are_no_benches_themselves() -> None:
    assert not [one for one in (embed_gpu, embed_speech, embed_text) if hasattr(one, "bench")]
    assert hasattr(embed, "bench")
