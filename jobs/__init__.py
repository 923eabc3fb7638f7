"""Jobs: Ray, the command `deglu`, resume and reports.

In: a verb with its spec or options.  Out: the files that the verb writes, a result on stdout, an exit code.
One folder a stage (`planning`, `embedding`, `indexing`, `asking`, `training`, `evaluation`, `demo`); `command` is the
command line, `cluster` needs Ray, `operate` needs storage alone.
Begin at `command.doors`, which names the function behind each verb.
"""
