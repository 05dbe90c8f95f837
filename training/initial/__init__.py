"""Training that starts from weights that are there: of a model of transformers, or of an earlier run."""
