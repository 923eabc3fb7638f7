"""The model: frozen towers, a trained fusion between them, and the directory that a trained one is kept in."""
