"""Messages of streams to rows: each codec decodes whole batches in native code, and sets aside the rows it cannot."""
