"""Codecs of containers: what a .7z and a compressed file are packed with."""
