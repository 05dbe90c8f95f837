"""Pre-training an encoder straight from a corpus's shards, and what comes of it."""
