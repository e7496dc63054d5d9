"""Recordings of other tools, read: bytes in, values out; no files, no project."""
