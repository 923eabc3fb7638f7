"""Planning: `deglu plan`.

In: EmbedSpec or TrainSpec.  Out: assets, hours, bytes, time and price, before anything is spent.
Begin at `plan_archive` or `plan_training`.
"""
