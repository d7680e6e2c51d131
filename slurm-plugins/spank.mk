# SPDX-License-Identifier: GPL-2.0-or-later
# SPANK looks its hooks up by name, so they stay visible.

$(OUT)/spank_grid_agent.o: CFLAGS := $(filter-out -fvisibility=hidden,$(CFLAGS))

$(OUT)/spank_grid_agent.so: $(OUT)/spank_grid_agent.o $(OUT)/spank_send.o $(OUT)/event_writer.o
	$(CC) $(CFLAGS) $(filter-out -Wl$(comma)-z$(comma)now,$(LDFLAGS)) -Wl,-z,lazy $^ -o $@
