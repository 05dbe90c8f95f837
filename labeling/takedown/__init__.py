"""Takedown beyond a corpus's own tables: votes, Label Studio, published folders, and what was trained on it."""
