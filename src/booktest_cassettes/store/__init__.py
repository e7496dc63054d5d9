"""Bytes by digest. Stores know nothing of tests, requests or people."""
