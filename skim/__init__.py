"""Stage one: ROOT ntuples to a partitioned Parquet dataset."""
