"""The labelling tasks, each with its labelling functions."""
