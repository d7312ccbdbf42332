"""What the fault matrix is made of. Kept empty: workers import modules of this package."""
