"""Apache Kafka: source, target and sessions."""
