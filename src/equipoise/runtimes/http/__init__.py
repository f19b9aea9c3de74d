"""Requests to services: limits, retries, and a cache that never pays twice."""
