"""Stage two: Parquet datasets to histograms."""
