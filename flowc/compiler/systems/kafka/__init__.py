"""Kafka: how streams write its topics."""
