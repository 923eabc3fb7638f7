"""Routes of the search service, a module for each kind of thing that is asked for.

In: the service and the caller.  Out: routers, which `index.serve.app` puts together.
"""
