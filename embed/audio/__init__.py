"""Audio: any recording as 16 kHz mono float32.

In: the url of a recording, a place in it.  Out: samples, with what was lost on the way.
Begin at `decode`; `containers` chooses the reader of a format, `stream` is what every reader provides.
"""
