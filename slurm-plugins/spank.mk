# SPDX-License-Identifier: GPL-2.0-or-later
# SPANK looks its hooks up by name, so they stay visible.

$(OUT)/spank_grid_agent.o: CFLAGS := $(filter-out -fvisibility=hidden,$(CFLAGS))

$(OUT)/spank_grid_agent.so: $(OUT)/spank_grid_agent.o $(OUT)/spank_send.o $(OUT)/event_writer.o
	$(CC) $(CFLAGS) $(filter-out -Wl$(comma)-z$(comma)now,$(LDFLAGS)) -Wl,-z,lazy $^ -o $@

$(OUT)/test/spank_harness: test/spank_harness.c event_reader.c $(wildcard *.h)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -fvisibility=default -rdynamic test/spank_harness.c event_reader.c -o $@

check: check-spank
.PHONY: check-spank
check-spank: $(OUT)/test/spank_harness $(OUT)/spank_grid_agent.so
	HARNESS=$(OUT)/test/spank_harness PLUGIN=spank_grid_agent.so CALLS= test/run-harness.sh $(OUT) alive absent hung munge arguments

bench: bench-spank
.PHONY: bench-spank
bench-spank: $(OUT)/test/spank_harness $(OUT)/spank_grid_agent.so
	@for case in alive hung munge; do $(OUT)/test/spank_harness $(OUT)/spank_grid_agent.so $$case || exit 1; done
