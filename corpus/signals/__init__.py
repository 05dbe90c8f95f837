"""Signals: marks on documents, from which `selection` decides what is kept."""
