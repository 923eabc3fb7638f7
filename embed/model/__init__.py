"""Model: frozen towers, a trained fusion between them, and the directory of a trained model."""
