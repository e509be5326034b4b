# The commands of this project; `make` lists them. Each does its own set-up.
#   STACK=dev       the stack: dev, staging, prod
#   ARGS=...        more arguments for the command behind the target, e.g. make up ARGS='--diff'
#   PYTHON=...      the Python (3.11 or newer) that .venv is made with

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

STACK ?= dev
ARGS ?=
DIRECTORY ?= charts

python := .venv/bin/python
# A command that can't reach the internet stalls on the check for a newer CLI.
export PULUMI_SKIP_UPDATE_CHECK := true
# The same for pyright's check for a newer version of itself.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
# Exported for tools/setup.sh only where it was given: an empty PYTHON would be taken for a name.
ifdef PYTHON
export PYTHON
endif

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

.PHONY: demo
demo: setup ## a stack's life in the sandbox: preview, up, a change, destroy; no cluster needed
	@$(python) -m sandbox demo --stack "$(STACK)" $(ARGS)

.PHONY: test
test: setup lint types ## everything that can be checked on this machine
	@# Before pytest, which would hide minutes of building. Without an engine the tests that need it are skipped.
	@$(python) -m ops engine || true
	@# On all cores, a module each, the engine's first: by their numbers of tests, the longest would
	@# be last, alone. But not on a cluster, which the live tier has to itself. A worker that crashed
	@# (gRPC's library, under a killed engine) is not replaced: with another one pytest never ended.
	$(python) -m pytest -rs $(if $(TRACING_LIVE_CONTEXT),,--numprocesses=auto --dist=loadscope --no-loadscope-reorder \
		--max-worker-restart=0) $(ARGS)

.PHONY: lint
lint: setup ## lint and format check
	$(python) -m ruff check .
	$(python) -m ruff format --check .

.PHONY: types
types: setup ## type check
	$(python) -m pyright --pythonpath $(python)

.PHONY: format
format: setup ## format, and fix what lint can fix
	$(python) -m ruff check --fix-only .
	$(python) -m ruff format .

# The interpreter of .venv comes first on PATH: plug-ins and the language host find it there.
# A stack file that has lost its form is refused with its keys, where Pulumi would name a line at most.
define pulumi
	@$(python) -m ops state-file --stack "$(STACK)"
	@$(python) -m ops stack-file "Pulumi.$(STACK).yaml"
	@pulumi="$$($(python) -m ops engine --language-host --path)"; \
	PATH="$$PWD/.venv/bin:$$(dirname "$$pulumi"):$$PATH" "$$pulumi" $@ --stack "$(STACK)" $(ARGS)
endef

.PHONY: preview up refresh recover destroy
preview: setup ## `pulumi preview` of STACK, on the real cluster
	$(pulumi)
up: setup ## `pulumi up` of STACK
	$(pulumi)
# Not the plain commands: what is in the cluster has to be forwarded to this machine meanwhile.
refresh: setup ## `pulumi refresh` of STACK
	@$(python) -m ops state-file --stack "$(STACK)"
	@pulumi="$$($(python) -m ops engine --language-host --path)"; \
	PATH="$$PWD/.venv/bin:$$(dirname "$$pulumi"):$$PATH" \
	$(python) -m ops with-forwards --stack "$(STACK)" -- "$$pulumi" refresh --stack "$(STACK)" $(ARGS)
recover: setup ## after an update of STACK that was killed: lock, what was under way, refresh
	@$(python) -m ops state-file --stack "$(STACK)"
	@pulumi="$$($(python) -m ops engine --language-host --path)"; \
	PATH="$$PWD/.venv/bin:$$(dirname "$$pulumi"):$$PATH" $(python) -m ops recover --stack "$(STACK)" $(ARGS)
destroy: setup ## `pulumi destroy` of STACK
	@$(python) -m ops state-file --stack "$(STACK)"
	@$(python) -m ops stack-file "Pulumi.$(STACK).yaml"
	@pulumi="$$($(python) -m ops engine --language-host --path)"; \
	PATH="$$PWD/.venv/bin:$$(dirname "$$pulumi"):$$PATH" \
	$(python) -m ops with-forwards --destroys --stack "$(STACK)" -- "$$pulumi" destroy --stack "$(STACK)" $(ARGS) || { status=$$?; echo 'If something is protected: it holds traces. To delete them: tracing:deleteData: true in Pulumi.$(STACK).yaml, make up, make destroy.' >&2; exit $$status; }

.PHONY: smoke
smoke: setup ## send a trace through STACK and find it again; what fails is named with its cause
	@$(python) -m ops smoke --stack "$(STACK)" $(ARGS)

.PHONY: doctor
doctor: setup ## look at all that an update of STACK needs: what is wrong, why, and what mends it
	@$(python) -m ops doctor --stack "$(STACK)" $(ARGS)

.PHONY: generate
generate: setup ## write again what is generated from the code: schema, configuration table, goldens
	$(python) -m ops generate

.PHONY: charts
charts: setup ## download the pinned charts into DIRECTORY=charts and check their digests
	@$(python) -m ops charts --directory "$(DIRECTORY)"

.PHONY: audit sbom
audit: setup ## known vulnerabilities of the locked packages; says so where nobody can be asked
	@$(python) -m ops audit $(ARGS)
sbom: setup ## a bill of materials (CycloneDX) of STACK: packages, charts, images, plugins
	@$(python) -m ops sbom --stack "$(STACK)" $(ARGS)

.PHONY: bench
bench: setup ## what the program costs beside an empty one
	@$(python) -m bench startup $(ARGS)

.PHONY: lock
lock: setup ## bring the locks in line with requirements.in and requirements-dev.in (UPGRADE=1: newest of the rest)
	$(lock) requirements.in --output-file requirements.txt
	$(lock) --constraints requirements.txt requirements-dev.in --output-file requirements-dev.txt
lock = $(python) -m uv pip compile --quiet $(if $(UPGRADE),--upgrade) --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'

.PHONY: setup
setup: ## .venv as requirements-dev.txt has it; every target does this by itself
	@tools/setup.sh

.PHONY: clean
clean: ## remove .venv and the tools' caches in this directory
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
