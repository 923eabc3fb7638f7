"""Asking: a question becomes an answer.

In: questions (text, speech or vectors), an encoder, a SearchRequest.  Out: answers that can be played or read.
Begin at `answers` (`ask`); `questions` encodes them, `searcher` opens an index and searches it, `plan` chooses the
depth, `opened` opens a version's parts, `sharded` searches the shards of an index as one.
"""
