"""What the tests share. Kept empty: workers import modules of this package too."""
