"""Migrations written in SQL: what each statement does to live tables, and which of it hurts."""
