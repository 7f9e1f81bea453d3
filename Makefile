# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vmseed's one Makefile, non-recursive. `make help` lists the targets.
#
# Variables: O=DIR (build folder), CC, CFLAGS, CPPFLAGS, LDFLAGS, V=1 (show commands),
# SANITIZE=address,undefined, PREFIX, DESTDIR. What is built depends on all of them: a
# changed setting rebuilds.

O	?= build
PREFIX	?= /usr/local
CFLAGS	?= -O2 -g
SETUP	:= tests/support/setup.sh

# The outside libraries, by pkg-config name. Each is included by one folder of libseed/
# (libseed/LAYERS says which) or, for the last line, by tools/ alone. The Debian packages
# that hold them stand in tests/support/setup.sh.
LIBSEED_PKGS	:= libcrypto libzstd libxxhash jansson libxml-2.0 libudev
TOOLS_PKGS	:= popt smartcols
TEST_PKGS	:= cmocka
MOCK_PKGS	:= umockdev-1.0

WARN	:= -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	   -Wold-style-definition -Wpointer-arith -Wwrite-strings -Wundef -Wvla -Wformat-security
ifdef SANITIZE
HARDEN		:= -U_FORTIFY_SOURCE -fsanitize=$(SANITIZE) -fno-sanitize-recover=all \
		   -fno-omit-frame-pointer -fPIE
HARDEN_LINK	:= -fsanitize=$(SANITIZE) -pie
else
HARDEN		:= -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
		   -fstack-clash-protection -fPIE
HARDEN_LINK	:= -pie -Wl,-z,relro,-z,now,-z,noexecstack
ifeq ($(shell uname -m),x86_64)
HARDEN		+= -fcf-protection
endif
endif

# Asked once and only when something is compiled: `make check` on a fresh machine installs
# pkg-config first.
once	= $(eval $(1) := $(2))$($(1))
pkg	= $(if $(shell pkg-config --exists $(2) && echo yes),$(shell pkg-config $(1) $(2)),$(error \
		a library of "$(2)" is missing: $(SETUP) build check installs it))
PKG_CFLAGS	= $(call once,PKG_CFLAGS,$(call pkg,--cflags,$(LIBSEED_PKGS) $(TOOLS_PKGS)))
LIBSEED_LIBS	= $(call once,LIBSEED_LIBS,$(call pkg,--libs,$(LIBSEED_PKGS)))
TOOLS_LIBS	= $(call once,TOOLS_LIBS,$(call pkg,--libs,$(TOOLS_PKGS)))
TEST_LIBS	= $(call once,TEST_LIBS,$(call pkg,--libs,$(TEST_PKGS)))
MOCK_CFLAGS	= $(call once,MOCK_CFLAGS,$(patsubst -I%,-isystem %,$(call pkg,--cflags,$(MOCK_PKGS))))
MOCK_LIBS	= $(call once,MOCK_LIBS,$(call pkg,--libs,$(MOCK_PKGS)))

ALL_CPPFLAGS	= -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Ilibseed $(PKG_CFLAGS) $(CPPFLAGS)
ALL_CFLAGS	= -std=gnu11 $(WARN) $(HARDEN) -pthread $(CFLAGS)
ALL_LDFLAGS	= -pthread $(HARDEN_LINK) $(LDFLAGS)
MORE_CPPFLAGS	:=
MORE_LIBS	:=
SETTINGS	= $(CC) | $(ALL_CPPFLAGS) | $(ALL_CFLAGS) | $(ALL_LDFLAGS)

LIBSEED_SRC	:= $(wildcard libseed/*/*.c)
TOOLS_SRC	:= $(if $(wildcard tools/vmseed.c),$(wildcard tools/*.c))
UNIT_SRC	:= $(wildcard tests/unit/*/test_*.c)
SUPPORT_SRC	:= $(wildcard tests/support/*.c)
SHIM_SRC	:= $(wildcard tests/crash/*.c tests/valgrind/*.c)
FUZZ_SRC	:= $(wildcard tests/fuzz/fuzz_*.c)
EXAMPLE_SRC	:= $(wildcard examples/*.c)

LIBSEED_OBJ	:= $(LIBSEED_SRC:%.c=$(O)/%.o)
TOOLS_OBJ	:= $(TOOLS_SRC:%.c=$(O)/%.o)
SUPPORT_OBJ	:= $(SUPPORT_SRC:%.c=$(O)/%.o)
LIBSEED		:= $(O)/libseed.a
VMSEED		:= $(if $(TOOLS_SRC),$(O)/vmseed)
UNIT		:= $(UNIT_SRC:%.c=$(O)/%)
SHIM		:= $(SHIM_SRC:%.c=$(O)/%.so)
FUZZ		:= $(FUZZ_SRC:%.c=$(O)/%)
EXAMPLE		:= $(EXAMPLE_SRC:%.c=$(O)/%)

CLI_STORIES	= $(filter-out %/lib.sh,$(wildcard tests/cli/*.sh))
INTEROP_STORIES	= $(wildcard tests/interop/*.sh)
CRASH_STORIES	= $(wildcard tests/crash/*.sh)
MAN_PAGES	= $(wildcard man/*.[1-9])
LINT		= tests/layers.sh tests/lines.sh tests/man.sh tests/schemas.py
RUN		= VMSEED=$(abspath $(O)/vmseed) BUILD=$(abspath $(O)) CC="$(CC)" tests/run.sh
AGAIN		= +@$(MAKE) --no-print-directory \
		  $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

Q	:= $(if $(V),,@)
say	= $(if $(V),,@echo '  $(1)' $(2))

## all: build the library, the command and the examples (the default)
all: $(LIBSEED) $(VMSEED) $(EXAMPLE)

# Stories find the command and the shims where the build left them.
.PHONY: stories
stories: all $(SHIM)

## unit: build the unit tests
unit: $(UNIT)

## check: install what is missing, build, run unit tests, stories and lint checks
## check-unit: the unit tests alone
## check-cli: the stories over the command line alone
## check-interop: other people's programs and the independent reader against ours
## check-crash: kill, cut and fault sweeps
## check-valgrind: unit tests under valgrind
CHECKS	:= check check-unit check-cli check-interop check-crash check-valgrind
$(CHECKS):
	@$(SETUP) build check $(if $(filter %-interop %-crash %-valgrind,$@),deep)
	$(AGAIN) $(if $(filter %-valgrind,$@),$(FOR_VALGRIND)) $@-built

.PHONY: $(CHECKS) $(CHECKS:%=%-built)
check-built: stories unit
	@$(RUN) $(UNIT) $(CLI_STORIES) $(LINT)

check-unit-built: unit
	@$(RUN) $(UNIT)

check-cli-built: stories
	@$(RUN) $(CLI_STORIES)

check-interop-built: stories
	@$(RUN) $(INTEROP_STORIES)

# Every point of every operation takes hours; each story has a night.
check-crash-built: stories
	@$(RUN) -t 28800 $(CRASH_STORIES)

# Without _FORTIFY_SOURCE, whose memmove Debian's valgrind takes for memcpy. Skips are fine: its
# processor has no SHA instructions.
FOR_VALGRIND := O=$(O)-valgrind CFLAGS='-O2 -g -U_FORTIFY_SOURCE'
VALGRIND = env LD_PRELOAD=$(abspath $(O)/tests/valgrind/openat2.so) \
	   valgrind -q --error-exitcode=99 --leak-check=full
check-valgrind-built: unit $(SHIM)
	@$(RUN) -s -t 900 -w '$(VALGRIND)' $(UNIT)

## check-cuts: a small resync cut at each frame and at 2,000 bytes (CUT_OFFSETS)
check-cuts:
	@$(SETUP) build check deep
	$(AGAIN) stories
	@VMSEED=$(abspath $(O)/vmseed) BUILD=$(abspath $(O)) CUT_OFFSETS=$${CUT_OFFSETS:-2000} \
		tests/crash/cut.sh

## check-fleet: real Debian guests from one home to another, compared and booted
check-fleet:
	@$(SETUP) build fleet
	$(AGAIN) all
	@VMSEED=$(abspath $(O)/vmseed) tests/fleet.sh

## check-asan: unit tests and stories under the address and undefined-behaviour sanitizers
check-asan:
	@$(SETUP) build check
	$(AGAIN) O=$(O)-asan SANITIZE=address,undefined check-sanitized

.PHONY: check-sanitized
check-sanitized: stories unit
	@$(RUN) -t 900 $(UNIT) $(CLI_STORIES)

# What has threads: the pools of capture and proof, the channel, and both ends of a resync in one
# process (unit tests) or two (stories).
TSAN_UNIT	= $(foreach d,base block capture export import replica resync verify wire handover,\
		  $(filter $(O)/tests/unit/$(d)/%,$(UNIT)))
TSAN_STORIES	= $(addprefix tests/cli/,resync-final.sh resync-reverse.sh resync-two-destinations.sh \
		  resync-pull.sh resync-cut.sh resync-clones.sh resync-ssh-asks.sh resync-over-wire.sh \
		  export-resumes.sh import-again.sh)

## check-tsan: what has threads under the thread sanitizer
check-tsan:
	@$(SETUP) build check
	$(AGAIN) O=$(O)-tsan SANITIZE=thread check-threads

.PHONY: check-threads
check-threads: stories unit
	@TSAN_OPTIONS=halt_on_error=1:exitcode=66 $(RUN) -t 1800 $(TSAN_UNIT) $(TSAN_STORIES)

## check-clang: build everything with clang and the same warnings
check-clang:
	@$(SETUP) build check deep
	$(AGAIN) O=$(O)-clang CC=clang all unit

## check-man: the manual pages, by mandoc
check-man:
	@tests/man.sh

## check-bare: what the README says, in a Debian 12 with only git, gcc and make
check-bare:
	@tests/bare.sh

## lines: no line of the C is over 100 columns
lines:
	@tests/lines.sh

## layers: includes point down, headers stand alone, no stray or mutable globals
layers: $(LIBSEED)
	@BUILD=$(abspath $(O)) CC="$(CC)" tests/layers.sh

## fuzz: every fuzz target for FUZZ_SECONDS (60) each, with clang
fuzz:
	@$(SETUP) build check deep
	$(AGAIN) O=$(O)-fuzz CC=clang SANITIZE=fuzzer-no-link,address,undefined fuzz-run

.PHONY: fuzz-run
fuzz-run: $(FUZZ)
	@tests/fuzz/run.sh $(FUZZ)

# The slowest first. The two ends of a resync do with each input what a whole resync does.
FUZZ_COUNTED	:= journal channel resync_receiver resync_sender message
FUZZ_COUNTS	:= journal=2000000 channel=2000000 message=2000000 resync_receiver=10000 \
		   resync_sender=10000

## fuzz-count: the protocol's and the journal's fuzz targets for FUZZ_RUNS inputs each
fuzz-count:
	@$(SETUP) build check deep
	$(AGAIN) O=$(O)-fuzz CC=clang SANITIZE=fuzzer-no-link,address,undefined fuzz-count-run

.PHONY: fuzz-count-run
fuzz-count-run: $(FUZZ_COUNTED:%=$(O)/tests/fuzz/fuzz_%)
	@FUZZ_RUNS='$(or $(FUZZ_RUNS),$(FUZZ_COUNTS))' FUZZ_LEN=1024 FUZZ_JOBS=2 \
		tests/fuzz/run.sh $^

## bench: whole commands against their peers on the fleet, one table of ratios
bench:
	@$(SETUP) build fleet bench
	$(AGAIN) all
	@VMSEED=$(abspath $(O)/vmseed) tests/bench/bench.sh

## demo: install what is missing, build, and carry two small VMs between two sites
demo:
	@$(SETUP) build
	$(AGAIN) all
	@VMSEED=$(abspath $(O)/vmseed) examples/demo.sh

## install: the command and its manual under PREFIX (/usr/local)
install: all
	install -D -m 755 -t '$(DESTDIR)$(PREFIX)/bin' $(VMSEED)
	$(foreach s,1 3 5 7 8,$(if $(filter %.$(s),$(MAN_PAGES)),install -D -m 644 \
		-t '$(DESTDIR)$(PREFIX)/share/man/man$(s)' $(filter %.$(s),$(MAN_PAGES));))

## clean: remove what was built
clean:
	rm -rf '$(O)' '$(O)-asan' '$(O)-clang' '$(O)-fuzz' '$(O)-tsan' '$(O)-valgrind'

## help: this list
help:
	@sed -n 's/^## \([a-z-]*\): /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

.PHONY: all unit check-cuts check-fleet check-asan check-tsan check-clang check-man check-bare layers lines fuzz \
	fuzz-count bench demo install clean help FORCE

# The settings of the last build; every object depends on them.
$(O)/settings: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(SETTINGS))' | cmp -s - $@ || \
		printf '%s\n' '$(subst ','\'',$(SETTINGS))' >$@

$(O)/%.o: %.c $(O)/settings
	@mkdir -p $(@D)
	$(call say,CC ,$<)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(MORE_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Built anew, or members whose source is gone would stay; the list of sources is a setting.
$(O)/sources: FORCE
	@mkdir -p $(@D)
	@echo '$(LIBSEED_SRC)' | cmp -s - $@ || echo '$(LIBSEED_SRC)' >$@

$(LIBSEED): $(LIBSEED_OBJ) $(O)/sources
	$(call say,AR ,$@)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $(LIBSEED_OBJ)

$(O)/vmseed: $(TOOLS_OBJ) $(LIBSEED)
	$(call say,LD ,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TOOLS_LIBS) $(LIBSEED_LIBS)

$(O)/tests/%.o: private ALL_CPPFLAGS += -Itests -Itests/support

$(O)/tests/unit/%: $(O)/tests/unit/%.o $(SUPPORT_OBJ) $(LIBSEED)
	$(call say,LD ,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TEST_LIBS) $(MORE_LIBS) $(LIBSEED_LIBS)

# Tests over disks that are not there.
MOCKED	:= $(O)/tests/unit/media/test_disks $(O)/tests/unit/media/test_place
$(MOCKED:%=%.o): private MORE_CPPFLAGS = $(MOCK_CFLAGS)
$(MOCKED): private MORE_LIBS = $(MOCK_LIBS)

$(O)/examples/%: $(O)/examples/%.o $(LIBSEED)
	$(call say,LD ,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBSEED_LIBS)

$(O)/tests/fuzz/%: $(O)/tests/fuzz/%.o $(LIBSEED)
	$(call say,LD ,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBSEED_LIBS)

# Shims for LD_PRELOAD: never sanitized, they live in other people's processes too.
$(SHIM): $(O)/%.so: %.c $(O)/settings
	@mkdir -p $(@D)
	$(call say,SO ,$@)
	$(Q)$(CC) -D_GNU_SOURCE -std=gnu11 $(WARN) -fPIC -shared -pthread $(CFLAGS) \
		-MMD -MP -MF $(@:.so=.d) -o $@ $< -ldl

.SECONDARY:
.DELETE_ON_ERROR:

-include $(LIBSEED_OBJ:.o=.d) $(TOOLS_OBJ:.o=.d) $(SUPPORT_OBJ:.o=.d) $(UNIT:%=%.d) \
	$(SHIM:.so=.d) $(FUZZ:%=%.d) $(EXAMPLE:%=%.d)
