"""Intents: a request's purpose, recognised from its vector with no examples or a few.

In: requests with labels, as text, speech or both.  Out: F1 by system, method, number of examples and dim.
Begin at `measure`; `requests` is the data's shape, `manifest` and `home_assistant` read it, `classify` has the methods.
"""
