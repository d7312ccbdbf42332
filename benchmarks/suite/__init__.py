"""What `compare.py` and `quick.py` share: contenders, measures, environments, the report."""
