# SPDX-License-Identifier: GPL-2.0-or-later
# The job completion plugin's parts, each in a program of its own under the sanitizers. SEEDS, EVERY: how much of the long
# ones (test/replay.c, test/faults.c).

SANITIZED := $(CC) $(filter-out -O2 -D_FORTIFY_SOURCE=2 -Wframe-larger-than=%,$(CFLAGS)) -O1 -fsanitize=address,undefined -fno-sanitize-recover
HEADERS_HERE := $(wildcard *.h test/*.h) test.mk

# Time, threads and the socket's moods are the test's (test/world.c).
empty :=
wrap = -Wl,$(subst $(empty) $(empty),$(comma),$(addprefix --wrap=,$(1)))
WORLD_CALLS := pthread_create pthread_setname_np pthread_cond_timedwait clock_gettime nanosleep poll send
FILE_CALLS := mkdirat fstat fstatat realpath fdopendir readdir ftruncate unlinkat renameat lseek realloc strdup fdatasync fsync pread \
	pwrite open openat fcntl
WORLD := test/world.c $(addsuffix .c,$(SENDER))

UNIT := test/unit.c $(addsuffix .c,jobcomp_ring jobcomp_settings jobcomp_version $(EVENT))
$(OUT)/test/unit: $(UNIT) $(HEADERS_HERE)
	@mkdir -p $(@D)
	$(SANITIZED) $(UNIT) -o $@

SPOOL_TEST := test/spool_tools.c $(addsuffix .c,$(SPOOL) $(EVENT))
$(OUT)/test/spool $(OUT)/test/planted: $(OUT)/test/%: test/%.c $(SPOOL_TEST) $(HEADERS_HERE)
	@mkdir -p $(@D)
	$(SANITIZED) $< $(SPOOL_TEST) -o $@

$(OUT)/test/replay: test/replay.c $(WORLD) $(HEADERS_HERE)
	@mkdir -p $(@D)
	$(SANITIZED) test/replay.c $(WORLD) $(call wrap,$(WORLD_CALLS)) -o $@

$(OUT)/test/doors: test/doors.c $(WORLD) $(HEADERS_HERE)
	@mkdir -p $(@D)
	$(SANITIZED) test/doors.c $(WORLD) $(call wrap,$(WORLD_CALLS)) -o $@

$(OUT)/test/faults: test/faults.c $(WORLD) $(HEADERS_HERE)
	@mkdir -p $(@D)
	$(SANITIZED) test/faults.c $(WORLD) $(call wrap,$(WORLD_CALLS) $(FILE_CALLS)) -o $@

$(OUT)/test/again: test/again.c $(addsuffix .c,$(SENDER)) $(HEADERS_HERE)
	@mkdir -p $(@D)
	$(SANITIZED) test/again.c $(addsuffix .c,$(SENDER)) $(call wrap,fdatasync) -o $@

.PHONY: check-parts
check-parts: $(addprefix $(OUT)/test/,unit spool planted again replay doors faults)
	$(OUT)/test/unit fixtures/v1/*.bin
	$(OUT)/test/spool
	$(OUT)/test/planted
	$(OUT)/test/again
	$(OUT)/test/replay $(or $(SEEDS),60)
	$(OUT)/test/doors
	$(OUT)/test/faults $(or $(EVERY),5)
