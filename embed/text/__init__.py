"""Text: documents of any text format, one after the other.

In: the url of a file.  Out: documents with their id, text, title and metadata.
Begin at `formats`, which chooses the reader; `documents` defines the documents that every reader gives.
"""
