"""Metadata of files, as archives keep it: catalogues, XML next to a recording, bags.

In: a catalogue, an XML file, the files of a bag.  Out: fields by plain names (`title`, `date`, `language` ...).
Begin at `catalogues`; `embed.archive.metadata.described` gives the fields to the files of an input.
"""
