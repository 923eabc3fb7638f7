"""Repeats of a dataset: jingles, spots and re-broadcasts, labelled with their first broadcast and never cut.

In: the fingerprints that `deglu embed` keeps of each unit (`kept`).  Out: the table REPEATS (`table`), which `find`
brings up to date with the newest version.  Begin with `find`.
"""
