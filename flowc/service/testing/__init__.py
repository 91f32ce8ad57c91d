"""Tests of projects: the compiler and the runtime themselves, with rows that are given."""
