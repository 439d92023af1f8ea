//! The rows of one hour of one stream as Parquet, and back.
