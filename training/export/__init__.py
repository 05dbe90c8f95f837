"""A run's model for transformers."""
