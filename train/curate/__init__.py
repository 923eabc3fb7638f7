"""Pairs of speech and text: where they come from, which are kept, and which part of the split they belong to."""
