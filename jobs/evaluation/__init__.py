"""Evaluation: `deglu evaluate`.

In: EvaluateSpec.  Out: a report, its plots, an exit code by the gates.
Begin at `evaluate_model`.
"""
