"""Training: from pairs of speech and text to a model.

In: TrainSpec.  Out: events, checkpoints and trained weights; the caller passes the metrics.
`curate` finds and filters the pairs, `frozen` computes features and targets that no training changes, `strategies`
have the losses and the models, `fit` is the loop.
Begin at `spec` and `strategy` (the contract between a strategy and the loop), then `fit.loop`.
"""
