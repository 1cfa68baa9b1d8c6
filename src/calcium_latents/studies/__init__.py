"""One package a study: everything that only this study needs.

No study imports another, and nothing shared imports one.
"""
