"""Recognition: the transcript of a segment of speech.

In: samples or frames of speech.  Out: transcripts with their scores.
Begin at `recogniser`; `whisper` and `ctc` decode, `beam` searches.
"""
