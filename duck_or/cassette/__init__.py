"""Cassettes: answers in one Parquet file, taken out of a store, put into one, or played instead of asking anybody."""
