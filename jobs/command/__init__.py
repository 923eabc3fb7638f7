"""Command: the command line `deglu`.

In: a verb, a spec, options.  Out: a result on stdout, progress on stderr, an exit code.
Begin at `cli`; `doors` names the function behind each verb.
"""
