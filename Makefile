# SPDX-License-Identifier: Apache-2.0
# `make demo` and `make test` set everything up first; what is already there is not built again.
PYTHON := .venv/bin/python
BENCHES := bench-solver bench-kernels bench-board bench-runtime bench-profile bench-compress bench-packed
.PHONY: help demo test weight-tiles farm-setup farm-test energy-test lenet lint setup firmware kernels hil generate board-suite board-coverage repeat-test soak variants clean $(BENCHES)

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p; s/^$$(BENCHES):.*## /bench-*|/p' Makefile | column -t -s '|'

demo: setup ## train a network on the virtual board and show what it took
	@.venv/bin/tercet demo --out demo

test: setup farm-setup ## run the whole test suite
	@$(PYTHON) -m pytest

lint: setup ## ruff and mypy
	@.venv/bin/ruff check . && .venv/bin/mypy

setup:
	@scripts/setup-apt.sh && scripts/setup-python.sh && $(MAKE) --no-print-directory firmware kernels

weight-tiles: setup ## train networks whose weights exceed the RAM, under two budgets and with more RAM: the same bits
	@$(PYTHON) tests/device/weight_tiles.py

farm-setup: ## labgrid in an environment of its own
	@scripts/setup-farm.sh

energy-test: setup ## the energy of one operator by 500 meters against the board's own charge integral
	@$(PYTHON) -m pytest -s tests/device/test_operator_energy.py --whole

lenet: setup ## LeNet-28 on MNIST 5k on the virtual board, the whole training: ten minutes of CPU time
	@.venv/bin/tercet train lenet-28 --data mnist-5k --batch 8 --ram 160k --deadline-ms 700 --pool-keeps input \
	    --rate 0.05 --rate-schedule cosine --init 2 --steps 1250 --out build/lenet

farm-test: setup farm-setup ## sixty hardware tests over three virtual boards with meters, shared by labgrid
	@$(PYTHON) -m pytest -s tests/farm --whole

firmware: ## MicroPython for the nRF52840 and for this machine
	@$(MAKE) --no-print-directory -C firmware unix nrf52840

kernels: ## the native kernels for every architecture
	@$(MAKE) --no-print-directory -C firmware kernels

hil: setup ## the hardware tests; BENCH=bench.toml for a real bench
	@.venv/bin/tercet hil $(if $(BENCH),--bench $(BENCH))

board-suite: setup ## MicroPython's own tests on the virtual board
	@$(PYTHON) hil/virtual_board/board_suite --image build/firmware/nrf52840/firmware.hex --tests build/micropython/tests \
	    --jobs 2 --at-least 800 --json build/bench/board-suite.json

board-coverage: setup ## how much of the virtual board's own code its tests run through, a line a file: Python and C
	@$(PYTHON) hil/virtual_board/code_coverage.py --work build/coverage --json build/bench/board-coverage.json

fault-test: setup ## 1,000 power cuts and 10,000 bit flips while the virtual board trains; TENTH=1 for a tenth, SEED=n
	@$(PYTHON) hil/faults $(if $(TENTH),--tenth) --seed $(or $(SEED),1) --json build/bench/fault-test.json

repeat-test: setup ## ten runs of a training with pages on the card, the host more or less busy: one hash over everything
	@$(PYTHON) -m pytest -s tests/device/test_main_job.py -k repeat --whole

SLEEP_HOURS := 24
WORK_HOURS := 2
soak: setup ## a day asleep and two hours of training on the virtual board; SLEEP_HOURS=, WORK_HOURS=
	@$(PYTHON) hil/virtual_board/soak.py --image build/firmware/nrf52840/firmware.hex --sleep-hours $(SLEEP_HOURS) \
	    --work-hours $(WORK_HOURS) --client '.venv/bin/tercet demo --bench {bench} --steps 8000 --out build/soak'

generate: ## the device's constants from the host's tables, and the list of its files
	@$(PYTHON) device_lib/generate_package.py >build/package.json && mv build/package.json device_lib/package.json
	@$(PYTHON) -m tercet.plan.generate device_lib/tercet_device/_format.py
	@$(PYTHON) firmware/kernels/generate_opcodes.py

bench-runtime: variants

variants: setup
	@$(MAKE) --no-print-directory -C firmware nrf52840 VARIANT=stock
	@$(MAKE) --no-print-directory -C firmware nrf52840 VARIANT=frozen

$(BENCHES): setup ## a table, and the same under build/bench; DOCS=FILE writes it as Markdown too
	@$(PYTHON) -m tercet.cli.main bench $(@:bench-%=%) $(if $(DOCS),--docs $(DOCS))

clean: ## everything that was built or installed here
	@rm -rf build demo .venv
