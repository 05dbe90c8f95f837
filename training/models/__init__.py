"""The encoder and its attention."""
