"""Audits of face verification: how often two different faces are taken for one person, by cell."""
