"""Cluster: what needs Ray.

In: functions and their parts; a spec to submit.  Out: results; the exit code of a submitted job.
Begin at `ray_session`; `submit_job` is `deglu submit`.
"""
