# Zeren's everyday commands. A bare machine needs Python >= 3.11 and make; the rest is installed into .venv.
# ARGS goes to the command behind a target: make demo ARGS="--trainees 50 --seed 7"; make test ARGS="-k repeat".
PYTHON ?= python3
ARGS ?=

BIN := .venv/bin
PINNED := requirements/runtime.txt requirements/dev.txt
# Named after what the pinned files say: they are installed again when they changed, and only then.
INSTALLED := .venv/.installed-$(shell cat $(PINNED) | cksum | tr ' ' '-')
# The longest first, so that two workers end together: whole stories, real servers, then what needs none.
TESTS := $(wildcard $(addprefix tests/,stories component architecture contracts domain policies projections bench))
# Two workers share the suite as tests/sharing.py says; ARGS="-n 0" runs it in one process.
WORKERS := -n 2 --dist loadscope --no-loadscope-reorder
# They need Node too; where it is missing, tests/conftest.py says what was not checked.
NODE_TESTS := tests/contracts/test_node.py tests/stories/test_node_institution.py

# Every command starts a dozen interpreters: compiling anew each time would be a quarter of their start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo up down status test bench chaos check check-node docs publish lock clean

help: ## 列出所有目标 / list all targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: $(INSTALLED) ## 演示：从签名文件到已支付、可核验的补贴 / from signed files to paid, ledgered claims
	@$(BIN)/python -m zeren demo $(ARGS)

up: $(INSTALLED) ## 启动本地全套服务（保留数据）/ start the local stack; it keeps its data
	@$(BIN)/python -m zeren up $(ARGS)

down: $(INSTALLED) ## 停止本地服务 / stop the local stack
	@$(BIN)/python -m zeren down $(ARGS)

status: $(INSTALLED) ## 查看本地服务 / what runs, and whether it is healthy
	@$(BIN)/python -m zeren status $(ARGS)

test: $(INSTALLED) ## 全部测试（真实 Kafka 与 PostgreSQL）/ every test, on real Kafka and PostgreSQL
	@$(BIN)/python -m pytest -p no:cacheprovider $(WORKERS) $(TESTS) $(ARGS)

bench: $(INSTALLED) ## 吞吐与时延的测量；报告在 .local/bench.json / throughput measured, with checks
	@$(BIN)/python -m bench $(ARGS)

chaos: $(INSTALLED) ## 演示负载下杀死、暂停各进程，再逐项核对 / kill and stop everything under load, then check every store
	@$(BIN)/python -m tests.chaos $(ARGS)

check: $(INSTALLED) ## 静态检查与契约核对，不需要服务器 / lint, types, imports, contracts; needs no server
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --no-cache --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/python -m docs.generate --check
	$(BIN)/python -m pytest -q -p no:cacheprovider tests/contracts tests/architecture

check-node: $(INSTALLED) ## 用 Node 核对合同与示例机构 / what is checked with Node: contracts, and the sample institution
	@$(BIN)/python -m pytest -p no:cacheprovider $(NODE_TESTS) $(ARGS)

docs: $(INSTALLED) ## 重新生成合同与目录（contracts/、docs/）/ write contracts and generated documents again
	@$(BIN)/python -m docs.generate

publish: $(INSTALLED) ## 发布时：此后合同不得违背现在的样子 / at a release: later contracts are held against those of now
	@$(BIN)/python -m docs.generate --publish

lock: $(INSTALLED) ## 重新编译 requirements/*.txt / compile the pinned requirement files again
	@for name in runtime dev; do \
		(cd requirements && ../$(BIN)/pip-compile --quiet --no-header --generate-hashes --strip-extras \
			--allow-unsafe --no-emit-options --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
			--output-file $$name.txt $$name.in) || exit 1; \
	done

clean: ## 删除 .venv 与各种缓存（数据在 .local/，由 zeren reset 清除）/ remove .venv and caches; zeren reset clears data
	@rm -rf .venv tests/node/node_modules examples/node-institution/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis zeren.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "需要 Python 3.11 或更高版本：请安装，或用 make PYTHON=python3.12 指定 / Python 3.11 or later is needed: install it, or name it with make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { \
		echo "无法建立虚拟环境：请安装 Python 的 venv 模块（Debian：python3-venv）/ no virtual environment: install Python's venv module (Debian: python3-venv)" >&2; rm -rf .venv; exit 1; }

$(INSTALLED): | .venv/bin/python
	@echo "安装固定版本的依赖到 .venv … / installing the pinned requirements into .venv …" >&2
	@$(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check --require-hashes $(addprefix -r ,$(PINNED))
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@rm -f .venv/.installed-*
	@touch $@
