"""Duplicates: exact copies, near duplicates of texts and of code."""
