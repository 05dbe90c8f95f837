"""A local web workbench over a corpus (`socorpus browse`)."""
