"""Strategies: models with the loss that trains them.

In: a spec and its data.  Out: modules with their loss, and the trained model.
Begin at `late_fusion`; `dual`, `text` and `ridge` are the others.
"""
