"""DataFusion, the engine of flowc itself: its record, its SQL, and how its tables are changed."""
