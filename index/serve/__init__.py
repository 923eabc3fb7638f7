"""Search service: HTTP over opened indexes, its page, and the addresses that other tools ask.

In: opened indexes, an encoder, a decoder and a cutter of recordings, all handed in.  Out: a FastAPI application.
`index.serve.app` makes it, `jobs.serving` gives it weights and a port.
"""
