"""Serving: the search service of `index.serve` with real weights, on a port of this machine."""
