"""Audio: any recording as 16 kHz mono float32.

In: the url of a recording, a place in it.  Out: samples, and the spans that could not be decoded.
Begin at `decode`; `containers` chooses the reader of a format, `stream` is the interface of every reader.
"""
