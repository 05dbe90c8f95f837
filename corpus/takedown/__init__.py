"""Takedown: posts, comments and authors that a corpus must hold no longer, and what keeps them out of later builds."""
