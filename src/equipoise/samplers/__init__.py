"""Samplers: what draws codes for ever, their file, their images and their exports."""
