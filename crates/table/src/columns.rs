//! Plain columns of any result to Parquet, CSV and NDJSON.
