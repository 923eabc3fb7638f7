"""Training: pairs of speech and text make the model.

In: TrainSpec.  Out: events, checkpoints and trained weights; metrics are handed in by the caller.
`curate` finds and filters the pairs, `frozen` computes what no training changes, `strategies` have the losses and the
models, `fit` is the loop.
Begin at `spec` and `strategy` (the contract between a strategy and the loop), then `fit.loop`.
"""
