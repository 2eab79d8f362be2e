# Two commands do everything, set-up included: `make demo` and `make test`.

.PHONY: help demo test simulate torture bench bench-check bench-bindings bindings setup clean

help:
	@echo "make demo   make two clips with no key and no cost, into demo-out/"
	@echo "make test   format, lints, docs, every test"
	@echo "make simulate SEEDS=n  n seeds of the simulation beyond those of make test, optimized"
	@echo "make torture  kill, break and fill for ten minutes, with figures and a seed"
	@echo "make bench  every figure of docs/benchmarks.md, beside the peers"
	@echo "make bench-check  the short form: fails when a ratio got worse"
	@echo "make bindings  the packages for Python, Kotlin and Swift, built, installed and tested"
	@echo "make bench-bindings  their size, start and memory"
	@echo "make clean  remove what these left behind"

setup:
	@scripts/setup.sh build

demo: setup
	cargo build --locked --release --features cli --bin reelkin
	@scripts/demo.sh

test:
	@scripts/setup.sh test
	@scripts/setup.sh bindings
	@scripts/test.sh

# Begins where the tests end, at seed 300.
simulate:
	@scripts/setup.sh test
	REELKIN_FROM=$${FROM:-300} REELKIN_SEEDS=$(or $(SEEDS),20000) cargo test --locked --profile simulation --lib \
		-- simulation::no_seed simulation::a_guard_against --include-ignored --nocapture

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

clean:
	cargo clean
	rm -rf demo-out
	rm -rf --one-file-system .cache
