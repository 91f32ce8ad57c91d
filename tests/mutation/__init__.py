"""Mutation runs: small errors are put into flowc, and the tests that run the place are to find them."""
