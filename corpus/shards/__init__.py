"""Shards: kept documents, redacted, split, tokenised and shuffled."""
