"""The tokenizer: byte-level BPE, trained on the corpus or given."""
