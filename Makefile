# SPDX-License-Identifier: GPL-2.0-only
# Pintle: `make help` lists the targets.

FLAVOUR  ?= release# release or debug
CC       := gcc
EMU      ?= qemu
FIRMWARE ?= bios
CPUS     ?= $(if $(filter bochs,$(EMU)),1,2)
MEM      ?= 2048
ACCEL    ?= tcg
CMDLINE  ?=
DATA     ?=# a disk image for guests' disks; made if it is not there
LINUX    ?= console=tty0 console=ttyS0,115200 quiet $(LINUX_$(EMU))# the service VM's command line
# What costs Bochs minutes.
LINUX_bochs := cryptomgr.notests tsc=reliable mitigations=off no_timer_check nokaslr audit=0

# A bzImage for the service VM, and its initrd; KERNEL=none: Pintle alone.
ifeq ($(origin KERNEL),undefined)
KERNEL := build/image/vmlinuz
INITRD := build/image/initrd.img
NEEDS_IMAGE := image
endif

ifeq ($(origin COMPILER),undefined)
COMPILER := $(CC)
endif

B := build/$(FLAVOUR)-$(COMPILER)
HV_FOLDERS := boot kernel vmx svm vdev drivers abi
C_FILES := $(filter-out kernel/offsets.c,$(wildcard $(addsuffix /*.c,$(HV_FOLDERS))))
S_FILES := $(wildcard $(addsuffix /*.S,$(HV_FOLDERS)))
# Assembly keeps its ending, so that it may share a name with C.
OBJECTS := $(C_FILES:%.c=$(B)/%.o) $(S_FILES:%.S=$(B)/%.S.o)

WARNINGS := -Wall -Wextra -Wno-unused-parameter -Wconversion -Wshadow -Wmissing-prototypes -Werror
# Speed on the way of an exit, size everywhere else.
FAST := $(addprefix $(B)/,$(patsubst %.c,%.o,$(wildcard svm/*.c vmx/*.c vdev/lapic.c) kernel/run.c kernel/exit.c \
	kernel/cpuid.c kernel/smp.c kernel/trap.c kernel/time.c kernel/lock.c kernel/dispatch.c kernel/context.c drivers/lapic.c \
	$(wildcard kernel/sched*.c)))
OPTIMIZE = $(if $(filter $(FAST),$@),-O2 -momit-leaf-frame-pointer,-Os)
HV_CFLAGS = -std=gnu17 -ffreestanding $(OPTIMIZE) -g $(WARNINGS) -I. -I$(B) \
	-mgeneral-regs-only -mno-red-zone -mcmodel=kernel -fno-pic -fno-pie -fno-common -fno-strict-aliasing \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fno-omit-frame-pointer -fcf-protection=none \
	-ffile-prefix-map=$(CURDIR)/=
HV_CFLAGS += -DBUILT_BY='"$(COMPILER) "'
HV_CFLAGS += $(if $(filter debug,$(FLAVOUR)),-DDEBUG_BUILD=1,-DDEBUG_BUILD=0)
LDFLAGS := -nostdlib -static -T linker.ld -z max-page-size=4096 -z noexecstack --build-id=none --orphan-handling=error

# V=1 shows the commands.
Q := $(if $(V),,@)

.DELETE_ON_ERROR:
.PHONY: all vmm image iso run debug test test-long unit unit-build sched-cost sched-report fuzz system size format format-check layers docs docs-check builds bench \
	compile_commands help clean deps FORCE
.SECONDARY:

all: build/pintle.elf ## build build/pintle.elf (FLAVOUR=release|debug, COMPILER=gcc|clang)

# The image ------------------------------------------------------------------------------------------------------------

$(B)/offsets.h: kernel/offsets.c | deps
	@mkdir -p $(@D)
	$(Q)$(COMPILER) $(HV_CFLAGS) -MMD -MP -MT $@ -MF $(B)/offsets.d -S -o - $< | sed -n 's/.*"@define \(.*\)".*/#define \1/p' > $@

$(B)/%.o: %.c $(B)/offsets.h Makefile
	@mkdir -p $(@D)
	$(Q)$(COMPILER) $(HV_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/%.S.o: %.S $(B)/offsets.h Makefile
	@mkdir -p $(@D)
	$(Q)$(COMPILER) $(HV_CFLAGS) -MMD -MP -c -o $@ $<

# Changes when a source comes or goes, so that the image is linked anew.
$(B)/objects: FORCE
	@mkdir -p $(@D)
	@echo '$(OBJECTS)' | cmp -s - $@ || echo '$(OBJECTS)' > $@

# Twice: first without symbols, to learn them. Text comes first in the image, so that they do not move.
$(B)/symbols0.S: tools/symbols.sh
	@mkdir -p $(@D)
	$(Q)sh tools/symbols.sh nm > $@
$(B)/symbols1.S: $(B)/pintle0.elf
	$(Q)sh tools/symbols.sh nm $< > $@
$(B)/symbols%.o: $(B)/symbols%.S
	$(Q)$(COMPILER) -c -o $@ $<
$(B)/pintle%.elf: $(OBJECTS) $(B)/symbols%.o linker.ld $(B)/objects
	$(Q)ld $(LDFLAGS) -o $@ $(OBJECTS) $(B)/symbols$*.o

build/pintle.elf: $(B)/pintle1.elf FORCE
	@cmp -s $< $@ || { cp $< $@; echo "build/pintle.elf: $(FLAVOUR), $(COMPILER)"; }

-include $(C_FILES:%.c=$(B)/%.d) $(S_FILES:%.S=$(B)/%.S.d) $(B)/offsets.d

# pintle-vmm: one program for each guest, in user space; static, so that it runs in any initramfs ----------------------

V_CFLAGS := -std=gnu17 -D_GNU_SOURCE -O2 -g $(WARNINGS) -I. -pthread -ffile-prefix-map=$(CURDIR)/=
VMM_FILES := $(wildcard service/vmm/*.c)
VMM := build/vmm-$(COMPILER)

$(VMM)/%.o: service/vmm/%.c Makefile | deps
	@mkdir -p $(@D)
	$(Q)$(COMPILER) $(V_CFLAGS) -MMD -MP -c -o $@ $<

$(VMM)/pintle-vmm: $(VMM_FILES:service/vmm/%.c=$(VMM)/%.o)
	$(Q)$(COMPILER) -static -pthread -Wl,--build-id=none -o $@ $^ -luring

build/pintle-vmm: $(VMM)/pintle-vmm FORCE
	@cmp -s $< $@ || { cp $< $@; echo "build/pintle-vmm: $(COMPILER)"; }

vmm: build/pintle-vmm ## build build/pintle-vmm, the virtual machine monitor
-include $(wildcard $(VMM)/*.d)

# Starting it ----------------------------------------------------------------------------------------------------------

image: build/pintle-vmm ## build build/image: the service VM's kernel and initial file system, of Debian's packages
	@python3 tools/module.py generic
	@python3 tools/mkimage.py

build/pintle.iso: build/pintle.elf tools/mkiso.py $(NEEDS_IMAGE) FORCE
	@python3 tools/mkiso.py --elf $< --out $@ --cmdline "$(CMDLINE)" $(if $(filter none,$(KERNEL)),, \
		--module $(KERNEL) kernel "$(LINUX)" $(if $(INITRD),--module $(INITRD) initrd ""))

iso: build/pintle.iso ## build build/pintle.iso, which boots on BIOS and UEFI (CMDLINE= KERNEL=FILE|none INITRD= LINUX=)

run: build/pintle.iso ## boot it (EMU=qemu|bochs FIRMWARE=bios|uefi CPUS= MEM=MiB DATA=FILE ACCEL=tcg|kvm CMDLINE=)
	@python3 tools/run.py --emu $(EMU) --firmware $(FIRMWARE) --cpus $(CPUS) --mem $(MEM) --accel $(ACCEL) \
		$(if $(DATA),--data $(DATA)) --iso $<

debug: build/pintle.iso ## boot it stopped, with gdb attached and symbols loaded
	@python3 tools/run.py --debug --emu qemu --firmware $(FIRMWARE) --cpus $(CPUS) --mem $(MEM) --iso $<

# pintle.ko, for the service VM ----------------------------------------------------------------------------------------

.PHONY: module dkms
module: | deps ## build build/module/{cloud,generic}/pintle.ko, for Debian's kernels (/dev/kvm on Pintle)
	@python3 tools/module.py

DKMS := build/dkms/pintle-0.1
dkms: ## lay out pintle.ko as DKMS source: build/dkms/pintle-0.1
	@rm -rf $(DKMS)
	@mkdir -p $(DKMS)/abi $(DKMS)/service/module
	@cp abi/pintle.h abi/hypercalls.def $(DKMS)/abi
	@cp service/module/*.[ch] service/module/Kbuild service/module/README.md $(DKMS)/service/module
	@cp -r service/module/dkms.conf LICENSES $(DKMS)
	@echo "$(DKMS): dkms install $(DKMS)"

# Tests ----------------------------------------------------------------------------------------------------------------

HOST_CFLAGS := -std=gnu17 -g -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all $(filter-out -Wmissing-prototypes,$(WARNINGS)) \
	-I. -DDEBUG_BUILD=1
U := build/unit
UNIT_TESTS := $(patsubst tests/unit/%.c,$U/%,$(wildcard tests/unit/test_*.c))
FUZZ_TESTS := $(patsubst tests/fuzz/%.c,$U/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 10
# A test's head comment names, after "Links:", the sources that it checks.
links = $(shell sed -n 's/^ \* Links: //p' $(1))
# And after "Libs:" what it is linked with besides cmocka.
libs = $(shell sed -n 's/^ \* Libs: //p' $(1))
# And after "Flags:" what its compiler is told before all else.
flags = $(shell sed -n 's/^ \* Flags: //p' $(1))

.SECONDEXPANSION:
$(UNIT_TESTS): $U/%: tests/unit/%.c tests/unit/fake.c $$(call links,tests/unit/%.c) | deps
	@mkdir -p $(@D)
	$(Q)gcc $(call flags,$<) $(HOST_CFLAGS) -fsanitize=address,undefined -MMD -MP -MF $@.d -o $@ $(filter %.c,$^) $(call libs,$<) -lcmocka
$(FUZZ_TESTS): $U/%: tests/fuzz/%.c tests/unit/fake.c $$(call links,tests/fuzz/%.c) | deps
	@mkdir -p $(@D)
	$(Q)clang $(HOST_CFLAGS) -fsanitize=fuzzer,address,undefined -o $@ $(filter %.c,$^) -lcmocka
-include $(wildcard $U/*.d)

test: ## everything but the long runs; ends with "N passed, N failed"
	@python3 tests/run.py

test-long: ## everything, with the long runs
	@SCHED_SEEDS=40 SCHED_DECISIONS=1000000 python3 tests/run.py --long

unit-build: $(UNIT_TESTS) $(FUZZ_TESTS)

unit: $(UNIT_TESTS) ## unit tests on the host, with ASan and UBSan
	@for t in $(UNIT_TESTS); do echo "== $$t"; $$t || exit 1; done

# The image's own objects, which also run where the host puts them. The words for its parameters are no part of it.
SCHED_FILES := $(filter-out kernel/sched_words.c,$(wildcard kernel/sched*.c))
build/sched-cost: tools/sched_cost.c $(SCHED_FILES:%.c=$B/%.o) kernel/sched.h
	$(Q)gcc -std=gnu17 -O1 -no-pie $(filter-out -Wmissing-prototypes -Wshadow,$(WARNINGS)) -I. -o $@ $(filter %.c %.o,$^)
sched-cost: build/sched-cost ## instructions that the scheduler's calls take, against their limits
	@build/sched-cost

build/sched-report: tools/sched_report.c tests/unit/sched_sim.c tests/unit/fake.c $(SCHED_FILES) $(wildcard kernel/sched*.h) | deps
	$(Q)gcc $(HOST_CFLAGS) -o $@ $(filter %.c,$^) -lcmocka -lm
sched-report: build/sched-report ## plots of the scheduler's simulation: build/sched-shares.svg, build/sched-latency.svg
	@build/sched-report

fuzz: $(FUZZ_TESTS) ## each fuzz target for FUZZ_SECONDS, from its seeds
	@for t in $(FUZZ_TESTS); do echo "== $$t"; sh tools/fuzz.sh $$t $(FUZZ_SECONDS) || exit 1; done

bench: build/pintle.elf ## what exits and a boot cost, in instructions counted by Bochs
	@python3 tests/bench/run.py

system: build/pintle.iso build/pintle-vmm module ## system tests in QEMU and Bochs
	@python3 tests/system/run.py

builds: ## both compilers and flavours build without a warning
	@for c in gcc clang; do for f in release debug; do \
		$(MAKE) --no-print-directory -s COMPILER=$$c FLAVOUR=$$f build/$$f-$$c/pintle1.elf || exit 1; done; \
		$(MAKE) --no-print-directory -s COMPILER=$$c build/vmm-$$c/pintle-vmm || exit 1; done

size: build/pintle.elf ## code lines for each folder, and the image's bytes
	@sh tools/size.sh $<

layers: ## check that includes follow the design's layers
	@sh tools/layers.sh

FORMATTED := $(wildcard $(addsuffix /*.[ch],$(HV_FOLDERS) service/vmm service/module tests/unit tests/fuzz tests/vms tests/calls tests/bench tools))
format: ## apply the house style
	clang-format -i $(FORMATTED)
format-check: | deps
	@clang-format --dry-run -Werror $(FORMATTED)

# Documents made from the tables that they describe.
build/docgen: tools/docgen.c boot/options.def kernel/commands.def abi/hypercalls.def | deps
	@mkdir -p $(@D)
	$(Q)gcc -std=gnu17 $(filter-out -Wmissing-prototypes,$(WARNINGS)) -I. -o $@ $<
docs: build/docgen ## write docs/options.md, docs/monitor.md and docs/abi.md from their tables
	build/docgen options > docs/options.md
	build/docgen monitor > docs/monitor.md
	build/docgen abi > docs/abi.md
docs-check: build/docgen
	@build/docgen options | diff -u docs/options.md -
	@build/docgen monitor | diff -u docs/monitor.md -
	@build/docgen abi | diff -u docs/abi.md -

compile_commands: ## write compile_commands.json for editors
	@python3 tools/compile_commands.py "$(COMPILER) $(HV_CFLAGS)" $(C_FILES) > compile_commands.json

deps:
	@sh tools/deps.sh

help: ## list the targets
	@sed -n 's/^\([a-z_-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | awk -F'\t' '{printf "  %-18s %s\n", $$1, $$2}'

clean: ## remove everything that was built
	rm -rf build compile_commands.json

FORCE:
