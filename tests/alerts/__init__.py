"""Alerts and freshness, on real servers of HTTP and SMTP, and real databases."""
