"""Training: `deglu train` and `deglu export model`.

In: TrainSpec.  Out: a folder with a model and its card.
Begin at `train_model` (the driver); `run_workers` starts `train_worker` on Ray, whose events come by `event_channel`.
"""
