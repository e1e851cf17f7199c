"""The dock for batches."""
