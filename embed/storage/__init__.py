"""Storage: bytes in and out by url, on a local folder or an S3 bucket.

In: a url and bytes.  Out: bytes, listings, local copies, and `create_exclusive`, on which every commit rests.
Begin at `store`, the one door; `local` and `s3` are its backends, `retry` decides what is sent again, `numbered_log`
is how versions and jobs are published.
"""
