"""Towers in plain torch: the same vectors as `transformers`, without the seconds of its import.

In: the folder of a checkpoint.  Out: a model that encodes in float32 on a CPU; None for an architecture, or a setting
of one, that is not implemented here: `transformers` loads it.  Begin at `bert.plain_bert` and `whisper.plain_whisper`.
"""
