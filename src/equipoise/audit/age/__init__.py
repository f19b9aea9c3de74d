"""Audits of estimators of age: errors in years by cell, and what they do at the shop counter."""
