# Every target sets itself up: it needs Python 3.11 with venv and nothing else.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1

.PHONY: demo test test-core lint docs install clean

demo: .venv/installed
	$(BIN)/leash demo

test: lint
	rm -f .coverage .coverage.*
	@# Robots run in real time here, and two cores are few: what failed beside another test runs again alone. Only after
	@# status 1, all ran and some failed: a run that broke off does not count.
	$(BIN)/python -m pytest -n 2 --dist loadfile --cov=robot --cov-report= || { [ $$? -eq 1 ] && \
		$(BIN)/python -m pytest --last-failed --last-failed-no-failures none --cov=robot --cov-append --cov-report=; }
	$(BIN)/coverage report --include='robot/*' --show-missing --skip-covered --fail-under=100

test-core:
	.ci/test-core 3.11 3.12 3.13

lint: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/installed
	$(BIN)/python docs/generate/build.py

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v == (3, 11) or sys.exit("development needs Python 3.11, the newest with PyBullet wheels; %s is %d.%d. Name another: make PYTHON=/path/to/python3.11" % (sys.executable, *v))'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .coverage* build dist
