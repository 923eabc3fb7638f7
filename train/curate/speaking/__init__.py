"""Text becomes speech: engines and voices that package managers install, and what they said, kept."""
