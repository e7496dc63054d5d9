"""Garbage collection: which blobs nothing reaches any more, what is to be done about each, doing it.

``marking`` reads Git, ``places`` says what there is, ``planning`` decides, ``sweeping`` acts (ADR-0019).
"""
