"""A score of a question's quality from its text: features, the model, its audit, and its votes on a corpus."""
