"""Blobs on a DVC remote: DVC's configuration and file systems, our own layout and checks (ADR-0011).

Nothing here is loaded before a blob has to come from the remote, or go there.
"""
