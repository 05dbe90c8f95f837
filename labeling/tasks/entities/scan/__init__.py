"""Compiled scans of a text that find where names and patterns may be, so that expressions look nowhere else."""
