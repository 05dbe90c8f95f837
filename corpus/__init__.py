"""From a Stack Exchange data dump to curated, aligned, deduplicated Parquet shards."""
