"""Pre-training on a corpus's shards."""
