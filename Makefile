# Postbus: make, make run, make test.  Everything else: make help.
MODE    ?= release
CC      ?= gcc
OUT     := build/$(MODE)
SERVICES := smtp-ingress imap-gateway queue-worker remote-sender registrar janitor

PACKAGES := libzmq libpq jansson libmicrohttpd libqrencode libpng libuv libidn2 libcurl libpcre2-8 \
            libpsl openssl
# A program needs at its start what it calls, and not what others do.
LIBS     := -Wl,--as-needed $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lunbound -lcrypt -lpthread -lm
CPPFLAGS += -D_GNU_SOURCE -Icommon -Iproto -I. $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
WARN     := -Wall -Wextra -Werror -Wshadow -Wvla -Wformat=2 -Wmissing-prototypes \
            -Wimplicit-fallthrough
CFLAGS   += -std=c17 -g -fno-omit-frame-pointer $(WARN)
# A forgotten initialiser reads zeros.  Some versions of clang want the wish affirmed, others
# do not know the affirmation.
ZERO_INIT := $(shell for affirmed in "" \
    -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang; do \
    $(CC) -ftrivial-auto-var-init=zero $$affirmed -x c -c /dev/null -o /dev/null 2>/dev/null && \
    echo -ftrivial-auto-var-init=zero $$affirmed && break; done)

ifeq ($(MODE),release)
CFLAGS   += -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
            -fstack-clash-protection -fcf-protection=full -fPIE $(ZERO_INIT) \
            -ffunction-sections -fdata-sections
LDFLAGS  += -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--gc-sections
else ifeq ($(MODE),asan)
CFLAGS   += -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
LDFLAGS  += -fsanitize=address,undefined
else ifeq ($(MODE),tsan)
CFLAGS   += -O1 -fsanitize=thread
LDFLAGS  += -fsanitize=thread
else ifeq ($(MODE),cov)
CC       := clang
CFLAGS   += -O0 -fprofile-instr-generate -fcoverage-mapping
LDFLAGS  += -fprofile-instr-generate
else ifeq ($(MODE),fuzz)
CC       := clang
CFLAGS   += -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all \
            -fprofile-instr-generate -fcoverage-mapping
LDFLAGS  += -fsanitize=fuzzer,address,undefined -fprofile-instr-generate
else
$(error MODE is release, asan, tsan, cov or fuzz)
endif

SRC       := $(sort $(wildcard common/*/*.c services/*/*.c cli/*.c bench/*.c))
TEST_SRC  := $(filter %_test.c,$(SRC))
FUZZ_SRC  := $(filter %_fuzz.c,$(SRC))
PLAIN_SRC := $(filter-out $(TEST_SRC) $(FUZZ_SRC),$(SRC))
LIB_SRC   := $(filter common/%,$(PLAIN_SRC))
PAGES     := $(sort $(wildcard services/registrar/pages/*))
SQL_SRC   := $(sort $(wildcard common/store/migrations/*.sql))
obj        = $(patsubst %.c,$(OUT)/obj/%.o,$(1))
# A folder's own objects without its main.c: what its tests and fuzzers link.
parts      = $(call obj,$(filter-out %/main.c,$(filter $(1)/%,$(PLAIN_SRC))))
# In functions, because a percent sign written in a pattern rule means its stem.
test_parts = $(if $(filter services/% cli/% bench/%,$(1)),$(call parts,$(patsubst %/,%,$(dir $(1)))))
all_parts  = $(call obj,$(filter $(1)/%,$(PLAIN_SRC)))
LIB       := $(OUT)/libcommon.a
BINS      := $(SERVICES:%=$(OUT)/%) $(OUT)/postbusctl $(OUT)/loadgen
TESTS     := $(patsubst %.c,$(OUT)/%,$(TEST_SRC))
FUZZERS   := $(patsubst %.c,$(OUT)/%,$(FUZZ_SRC))

.DEFAULT_GOAL := all
# Tools sort, match and read files alike, whatever is spoken here.
export LC_ALL := C.UTF-8
.SECONDEXPANSION:
.DELETE_ON_ERROR:
.PHONY: all services tests fuzzers clean help run test test-kill test-fresh test-compose bench lint format

all: $(BINS)
services: $(SERVICES:%=$(OUT)/%) $(OUT)/postbusctl
tests: $(TESTS)
fuzzers: $(FUZZERS)

# How far it is, for people who wait: TO_COMPILE is the number of files.
progress = $(if $(TO_COMPILE),$(eval COMPILED += x)echo '[$(words $(COMPILED))/$(TO_COMPILE)] $<';)

$(OUT)/obj/%.o: %.c
	@mkdir -p $(@D)
	@$(progress) $(CC) $(CPPFLAGS) $(CFLAGS) -I$(dir $<) -MMD -MP -c $< -o $@

# The numbered schema files become part of every binary that migrates.
$(OUT)/obj/common/store/migrate.o: CPPFLAGS += -I$(OUT)/generated
$(OUT)/obj/common/store/migrate.o: $(OUT)/generated/migrations.inc
$(OUT)/generated/migrations.inc: $(SQL_SRC) tools/embed-sql
	@mkdir -p $(@D)
	@tools/embed-sql $(SQL_SRC) > $@

# The built-in web pages likewise.
$(OUT)/obj/services/registrar/pages.o: CPPFLAGS += -I$(OUT)/generated
$(OUT)/obj/services/registrar/pages.o: $(OUT)/generated/pages.inc
$(OUT)/generated/pages.inc: $(PAGES) tools/embed-text
	@mkdir -p $(@D)
	@tools/embed-text $(PAGES) > $@

$(LIB): $(call obj,$(LIB_SRC))
	@rm -f $@
	@ar rcs $@ $^

$(SERVICES:%=$(OUT)/%): $(OUT)/%: $$(call all_parts,services/$$*) $(LIB)
	@$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@
$(OUT)/postbusctl: $(call all_parts,cli) $(LIB)
	@$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@
$(OUT)/loadgen: $(call obj,$(filter bench/%,$(PLAIN_SRC))) $(LIB)
	@$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@

$(TESTS): $(OUT)/%: $(OUT)/obj/%.o $$(call test_parts,$$*) $(LIB)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LIBS) -lcmocka -o $@
$(FUZZERS): $(OUT)/%: $(OUT)/obj/%.o $$(call test_parts,$$*) $(LIB)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@

# The make that compiles is a second one: the libraries' flags are only known once the
# packages are there.
DOMAIN      ?=
PORT_OFFSET ?= 0
LAN         ?= 0
RUN         ?= run
# Through the environment and as they were written, since a folder may have any name.
run: export as_domain := $(value DOMAIN)
run: export as_port_offset := $(value PORT_OFFSET)
run: export as_lan := $(value LAN)
run: export as_run := $(value RUN)
run:
	@tools/install-packages build run
	@echo "building"
	@files=$$($(MAKE) --no-print-directory -n MODE=$(MODE) all | grep -c ' -MMD -MP -c '); \
	    $(MAKE) --no-print-directory -j$$(nproc) MODE=$(MODE) TO_COMPILE=$$files all
	@exec python3 deploy/local/run.py --build $(OUT) --run="$$as_run" --domain="$$as_domain" \
	    --port-offset="$$as_port_offset" --lan="$$as_lan"

test:
	@tests/run
test-kill:
	@tools/install-packages build run test
	@$(MAKE) --no-print-directory -j$$(nproc) MODE=release all
	@tests/integration/in-namespace tests/integration/hosts \
	    python3 tests/integration/ledger.py --rounds 20 --acknowledged 600 --kills 10
test-fresh:
	@tests/fresh/run
test-compose:
	@tests/compose/run

bench:
	@tools/install-packages build run $(if $(findstring --beside,$(BENCH_ARGS)),reference)
	@$(MAKE) --no-print-directory -j$$(nproc) MODE=release all
	@python3 bench/run.py $(BENCH_ARGS)

lint:
	@tools/install-packages build lint
	@$(MAKE) --no-print-directory -j$$(nproc) MODE=$(MODE) all
	@tools/lint $(OUT)/obj
format:
	@tools/install-packages lint
	@find common services cli bench -name '*.[ch]' | xargs clang-format -i

help:
	@echo 'make run [DOMAIN=d] [PORT_OFFSET=n] [LAN=1] [RUN=folder]   start everything here'
	@echo 'make test          every test; make test-kill: twenty rounds of the kill test;'
	@echo 'make test-fresh    make run and make test in a Debian that was just made'
	@echo 'make test-compose  the images under docker-compose;  make bench: the figures'
	@echo 'make [MODE=release|asan|tsan|cov|fuzz]                    compile'
	@echo 'make lint | format | clean'

clean:
	rm -rf build

-include $(patsubst %.o,%.d,$(call obj,$(SRC)))
