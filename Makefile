.PHONY: check test demo format bench

check test:
	./scripts/test

demo:
	./scripts/demo

format:
	.venv/bin/ruff check --fix . && .venv/bin/ruff format .

bench:
	./benchmarks/run
