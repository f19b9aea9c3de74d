"""Intervals, distances and agreement: functions of plain arrays."""
