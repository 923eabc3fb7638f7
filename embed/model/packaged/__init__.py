"""Packaged weights: checkpoints that Python packages carry, converted to the `transformers` format.

In: a model's name such as `demo`.  Out: a folder with an ordinary checkpoint, its SHA-256 checked.
Begin at `resolve`; the others read one format each.
"""
