"""Peers of the index, built, set and searched as `evaluate.bench.index.contender` says.  Begin at `families`."""
