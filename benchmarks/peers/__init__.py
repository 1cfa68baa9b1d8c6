"""What others would run: plain or published versions of what this package does."""
