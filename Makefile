# `make demo` and `make test` install missing dependencies themselves.

.PHONY: help demo test simulate torture bench bench-check bench-bindings bindings docs setup clean

help:
	@echo "make demo              create clips with the sandbox, without a key and at no cost, in demo-out/"
	@echo "make test              check format, lints and docs, and run all tests"
	@echo "make simulate SEEDS=n  run n more seeds of the simulation than make test does, optimized"
	@echo "make torture           run stress tests for ten minutes"
	@echo "make bench             run all benchmarks and update the page of benchmarks"
	@echo "make bench-check       run the short benchmarks and fail if a result got worse"
	@echo "make bindings          build, install and test the packages for Python, Kotlin and Swift"
	@echo "make bench-bindings    measure the size, start time and memory of the packages"
	@echo "make docs              build the documentation as a book in target/book and check its links"
	@echo "make clean             remove build output and downloaded tools"

setup:
	@scripts/setup.sh build

demo: setup
	cargo build --locked --release --features cli --bin reelkin
	@scripts/demo.sh

test:
	@scripts/setup.sh test
	@scripts/setup.sh bindings
	@scripts/test.sh

# The tests run the seeds below 20,000.
simulate:
	@scripts/setup.sh test
	REELKIN_FROM=$${FROM:-20000} REELKIN_SEEDS=$(or $(SEEDS),20000) scripts/simulate.sh simulation::no_seed --nocapture

torture:
	@scripts/setup.sh test
	@scripts/torture.sh

bench:
	@scripts/setup.sh test
	@scripts/setup.sh bindings
	@scripts/bench.sh

bench-check:
	@scripts/setup.sh test
	@scripts/setup.sh bindings
	@scripts/bench.sh --check

bindings:
	@scripts/setup.sh test
	@scripts/setup.sh bindings
	@scripts/bindings.sh

bench-bindings:
	@scripts/setup.sh test
	@scripts/setup.sh bindings
	@scripts/bindings.sh --bench

docs:
	@scripts/setup.sh docs
	@scripts/docs.sh

clean:
	cargo clean
	rm -rf demo-out
	rm -rf --one-file-system .cache
