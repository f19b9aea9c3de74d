"""Requests to services over HTTP: transport, rate limits, retries, and a cache of their answers."""
