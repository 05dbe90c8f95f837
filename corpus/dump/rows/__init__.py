"""Rows of a dump in other forms than XML: Parquet, CSV, JSON Lines, and batches of a plug-in's."""
