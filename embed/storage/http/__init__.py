"""Files of web servers, read by ranges from public addresses; nothing is written there.

In: an http or https url.  Out: an entry with its size and etag, and a seekable stream.
Begin at `files`; `requests` sends one request and follows redirects, `addresses` refuses private networks,
`whole_files` keeps the files of servers without ranges.
"""
