"""Operation: status, failures, verify, forget; needs storage alone, works when the cluster is gone.

In: the url of a dataset or an index.  Out: its state, as text or JSON.
Begin at `status`, `list_failures` or `verify`.
"""
