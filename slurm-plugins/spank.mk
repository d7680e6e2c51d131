# SPDX-License-Identifier: GPL-2.0-or-later
# SPANK looks its hooks up by name, so they stay visible.

SPANK_TEST := PLUGIN=$(abspath $(OUT))/spank_grid_agent.so HARNESS=$(abspath $(OUT))/spank_harness python3

$(OUT)/spank_grid_agent.o: CFLAGS := $(filter-out -fvisibility=hidden,$(CFLAGS))

$(OUT)/spank_grid_agent.so: $(OUT)/spank_grid_agent.o $(OUT)/spank_hardware.o $(OUT)/spank_gpus.o $(OUT)/spank_node.o $(OUT)/spank_send.o $(OUT)/spank_spool.o \
		$(OUT)/spank_again.o $(OUT)/jobcomp_spool_folder.o $(OUT)/event_writer.o
	$(CC) $(CFLAGS) $(EXTRA) $(filter-out -Wl$(comma)-z$(comma)now,$(LDFLAGS)) -Wl,-z,lazy $^ -o $@

# Its functions stand in for slurmstepd's, so the plugin must see them.
$(OUT)/spank_harness: test/spank_harness.c
	@mkdir -p $(@D)
	$(CC) $(filter-out -fvisibility=hidden,$(CFLAGS)) $(EXTRA) -rdynamic $< -o $@

.PHONY: check-spank
check-spank: $(OUT)/spank_grid_agent.so $(OUT)/spank_harness
	$(SPANK_TEST) -B test/spank_test.py
	$(SPANK_TEST) -B test/spank_spool_test.py

# The same under AddressSanitizer and UndefinedBehaviorSanitizer.
.PHONY: check-spank-sanitized
check-spank-sanitized:
	$(MAKE) OUT=$(OUT)/sanitized EXTRA="-fsanitize=address,undefined -fno-sanitize-recover=all" check-spank

# What is read of a node, in a program of its own under the sanitizers, with trees that are well and hostile ones.
HARDWARE := test/hardware.c spank_hardware.c spank_gpus.c
$(OUT)/test/hardware: $(HARDWARE) spank_hardware.h spank_hardware_private.h
	@mkdir -p $(@D)
	$(SANITIZED) $(HARDWARE) -o $@

.PHONY: check-hardware
check-hardware: $(OUT)/test/hardware
	HARDWARE=$(abspath $(OUT))/test/hardware python3 -B test/hardware_test.py

# For live tests: the plugin that looks for /sys and /proc where its argument root= says.
.PHONY: spank-test-root
spank-test-root:
	$(MAKE) -s OUT=$(OUT)/root EXTRA=-DGRID_AGENT_TEST_ROOT spank

.PHONY: bench-spank
bench-spank: $(OUT)/spank_grid_agent.so $(OUT)/spank_harness
	@$(SPANK_TEST) -B test/spank_bench.py

.PHONY: check-spank-live
check-spank-live: $(OUT)/spank_grid_agent.so
	@$(SPANK_TEST) -B test/spank_live.py

check: check-spank-sanitized check-spank check-hardware
bench: bench-spank
