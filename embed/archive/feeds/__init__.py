"""Feeds: podcasts as RSS 2.0 and Atom.

In: the url of a feed.  Out: its items, from all its pages, with what they say of their recordings.
Begin at `pages`; `formats` reads one page, `items` has what an item is, `links` decides where its links may lead.
"""
