"""Storage: bytes in and out by url, on a local folder or an S3 bucket, and inputs from the web.

In: a url and bytes.  Out: bytes, listings, local copies, and `create_exclusive`, the basis of every commit.
Begin at `store`, the only entry point; `local`, `s3` and `http` are its backends, `retry` decides which requests are
repeated, `numbered_log` publishes versions and jobs.
"""
