"""From shards to masked micro-batches: reading, packing, masking, and the order of it all."""
