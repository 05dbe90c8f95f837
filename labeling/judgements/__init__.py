"""What people judged in files of their own: sheets to fill in, and their way into a corpus."""
