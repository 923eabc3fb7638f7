"""Asking: `deglu query`.

In: typed or recorded questions, the url of an index.  Out: answers, as a table or JSON.
Begin at `query_index`; the answers are found by `index.ask.answers`.
"""
