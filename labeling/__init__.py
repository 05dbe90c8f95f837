"""Weak labels for the four tasks, their analysis, and the two-way sync with Label Studio."""
