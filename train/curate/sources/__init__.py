"""Recordings and texts that a package manager can install: each module fetches one source and names its licence."""
