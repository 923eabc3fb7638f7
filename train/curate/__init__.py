"""Curation: pairs of speech and text, filtered and split.

In: the sources of a spec.  Out: clips and pairs of texts in train, dev and test; every dropped one has its reason.
`sources` fetch recordings and texts by `packages`, `synthesis` makes speech, `filters` drop unusable clips.
Begin at `clip` (the contract) and `speech_pairs` or `text_pairs`; `split` decides the parts, `dropped` counts reasons.
"""
