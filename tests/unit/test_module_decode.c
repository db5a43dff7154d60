/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_module_decode.c - pintle.ko: slots, routes, doorbells, as far as requests say.
 * Links: service/module/decode.c
 * Flags: -include stdbool.h -include stddef.h -include string.h
 */
#include "tests/unit/fake.h"

#include <errno.h>

#include "service/module/decode.h"

#define MIB 0x100000ull
#define TIB (1ull << 40)

static void slots_that_cannot_be_are_refused(void **state)
{
	static const struct {
		struct kvm_userspace_memory_region region;
		bool good;
	} cases[] = {
		{{.slot = 0, .memory_size = MIB, .userspace_addr = MIB}, true},
		{{.slot = 511,
			 .memory_size = MIB,
			 .userspace_addr = MIB,
			 .flags = KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY},
			true},
		{{.slot = 0, .memory_size = 0}, true}, /* delete */
		{{.slot = 0, .memory_size = TIB, .userspace_addr = MIB}, true},
		{{.slot = 512, .memory_size = MIB}, false},
		{{.slot = 1 << 16, .memory_size = MIB}, false}, /* another address space */
		{{.flags = 4, .memory_size = MIB}, false},
		{{.memory_size = MIB + 1}, false},
		{{.memory_size = MIB, .guest_phys_addr = 0x800}, false},
		{{.memory_size = MIB, .userspace_addr = 0x10}, false},
		{{.memory_size = TIB + 4096}, false},
		{{.memory_size = ~0xfffull, .guest_phys_addr = MIB}, false},
		{{.memory_size = MIB, .guest_phys_addr = ~0xfffull}, false},
		{{.memory_size = TIB, .guest_phys_addr = (1ull << 46) - MIB}, false},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if ((decode_region(&cases[i].region) == 0) != cases[i].good) {
			fail_msg("case %u", i);
		}
	}
}

#define ROUTE(n, a, d)                                                                             \
	{                                                                                          \
		.gsi = (n), .type = KVM_IRQ_ROUTING_MSI, .u.msi = {                                \
			.address_lo = (__u32)(a),                                                  \
			.address_hi = (__u32)((a) >> 32),                                          \
			.data = (d)                                                                \
		}                                                                                  \
	}

static union {
	struct routes routes;
	uint8_t room[sizeof(struct routes) + 64 * sizeof(struct route)];
} table;

static int decode(const struct kvm_irq_routing_entry *entries, unsigned count)
{
	memset(&table, 0, sizeof(table));
	table.routes.count = decode_routes_count(entries, count);
	assert_true(table.routes.count <= 64);
	return decode_routes(&table.routes, entries, count, 24);
}

static void routes_are_found_by_gsi(void **state)
{
	static const struct kvm_irq_routing_entry entries[] = {
		ROUTE(30, 0xfee00000ull, 0x41),
		ROUTE(4, 0x1fee01000ull, 0xc042), /* a level, of the I/O APIC */
		ROUTE(25, 0xfee02000ull, 0x8043), /* a level, but not of the I/O APIC */
	};
	assert_int_equal(decode(entries, 3), 0);
	assert_int_equal(table.routes.count, 31);
	for (unsigned i = 0; i < 31; i++) {
		assert_int_equal(table.routes.route[i].valid, i == 4 || i == 25 || i == 30);
	}
	assert_int_equal(table.routes.route[4].address, 0x1fee01000);
	assert_int_equal(table.routes.route[4].data, 0xc042);
	for (unsigned vector = 0; vector < 256; vector++) {
		bool told = table.routes.eoi[vector / 64] >> (vector % 64) & 1;
		assert_int_equal(told, vector == 0x42);
		assert_int_equal(
			route_is_level(&table.routes.route[25], (__u8)vector), vector == 0x43);
		assert_false(route_is_level(&table.routes.route[30], (__u8)vector));
		assert_false(route_is_level(&table.routes.route[7], (__u8)vector));
	}
	assert_int_equal(decode(NULL, 0), 0);
	assert_int_equal(table.routes.count, 0);
}

static void routes_that_cannot_be_are_refused(void **state)
{
	struct kvm_irq_routing_entry twice[] = {
		ROUTE(1, 0xfee00000ull, 1), ROUTE(1, 0xfee00000ull, 2)};
	struct kvm_irq_routing_entry far[] = {ROUTE(DECODE_ROUTES_MAX, 0xfee00000ull, 1)};
	struct kvm_irq_routing_entry chip[] = {{.gsi = 1, .type = KVM_IRQ_ROUTING_IRQCHIP}};
	struct kvm_irq_routing_entry flag[] = {ROUTE(1, 0xfee00000ull, 1)};

	assert_int_equal(decode(twice, 2), -EINVAL);
	assert_int_equal(decode(far, 1), -EINVAL);
	assert_int_equal(decode(chip, 1), -EINVAL);
	flag[0].flags = KVM_MSI_VALID_DEVID;
	assert_int_equal(decode(flag, 1), -EINVAL);
}

static void doorbells_say_where_they_hang(void **state)
{
	struct kvm_ioeventfd request = {.addr = 0xfebf0000,
		.len = 4,
		.datamatch = 7,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH};
	struct pintle_doorbell bell;

	assert_int_equal(decode_doorbell(&request, &bell), 0);
	assert_true(bell.address == 0xfebf0000 && bell.size == 4 && bell.match == 1 &&
		bell.data == 7 && bell.place == PINTLE_MEMORY);
	request = (struct kvm_ioeventfd){.addr = 0x510,
		.len = 2,
		.datamatch = 7,
		.flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN};
	assert_int_equal(decode_doorbell(&request, &bell), 0);
	assert_true(bell.address == 0x510 && bell.size == 2 && bell.match == 0 && bell.data == 0 &&
		bell.place == PINTLE_PORT);
}

static void doorbells_that_cannot_be_are_refused(void **state)
{
	static const struct {
		struct kvm_ioeventfd request;
		bool good;
	} cases[] = {
		{{.addr = MIB, .len = 0}, true}, /* any length */
		{{.addr = MIB, .len = 8}, true},
		{{.addr = 0xffff, .len = 1, .flags = KVM_IOEVENTFD_FLAG_PIO}, true},
		{{.addr = 0xffff, .len = 0, .flags = KVM_IOEVENTFD_FLAG_PIO}, true},
		{{.addr = 0xffff, .len = 2, .flags = KVM_IOEVENTFD_FLAG_PIO}, false},
		{{.addr = 0x100, .len = 8, .flags = KVM_IOEVENTFD_FLAG_PIO}, false},
		{{.addr = MIB, .len = 3}, false},
		{{.addr = MIB, .len = 16}, false},
		{{.addr = MIB, .len = 0, .flags = KVM_IOEVENTFD_FLAG_DATAMATCH}, false},
		{{.addr = ~0ull, .len = 2}, false},
		{{.addr = MIB, .len = 4, .flags = KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY}, false},
		{{.addr = MIB, .len = 4, .flags = 0x100}, false},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pintle_doorbell bell;
		if ((decode_doorbell(&cases[i].request, &bell) == 0) != cases[i].good) {
			fail_msg("case %u", i);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_that_cannot_be_are_refused),
		cmocka_unit_test(routes_are_found_by_gsi),
		cmocka_unit_test(routes_that_cannot_be_are_refused),
		cmocka_unit_test(doorbells_say_where_they_hang),
		cmocka_unit_test(doorbells_that_cannot_be_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
