"""What differs between the labels of two corpora, or between two corpora as a whole."""
