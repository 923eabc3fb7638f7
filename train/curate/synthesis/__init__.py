"""Synthesis: speech from text.

In: texts with their language.  Out: cached recordings, made by engines and voices that package managers install.
Begin at `speak`; `installed` finds engines and voices, `pico` and `kokoro` are the engines.
"""
