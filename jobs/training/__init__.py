"""Training: `deglu train` and `deglu export`.

In: TrainSpec.  Out: a folder with a model and its card.
Begin at `train_model` (the driver) and `train_worker`.
"""
