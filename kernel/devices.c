/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/devices.c - the service VM's emulated devices, wired to its vCPUs, the real hardware and
 * the console. Runs: on exiting CPUs and in host interrupts; [V] fields are guarded by vdev_lock.
 */
#include "kernel/exit.h"

#include "drivers/ioapic.h"
#include "drivers/lapic.h"
#include "kernel/console.h"
#include "kernel/gmem.h"
#include "kernel/machine.h"
#include "vdev/ioapic.h"
#include "vdev/pcifn.h"
#include "vdev/uart.h"

#define NO_PORT      0x10000u
#define ICR_MODE(i)  ((i) >> 8 & 7) /* of an I/O APIC's entry too; below LOWEST: fixed */
#define MODE_LOWEST  1u
#define MODE_STARTUP 6u

static struct spinlock vdev_lock = SPINLOCK(VDEV);
static struct vioapic twins[ACPI_IOAPICS_MAX]; /* [V] what the guest sees of each */
static struct vuart uart;                      /* [V] */
static bool uart_line, uart_full;              /* [V] as it was last; a key had no room */
static uint32_t uart_port;                     /* [I] or NO_PORT */
/* [I] bytes of PM1 that have SLP_EN, and the one that has WAK_STS; or NO_PORT */
static uint32_t sleep_port[2], wake_port;
static atomic_bool woken; /* [A] WAK_STS, after a sleep that was refused */

/* One line a second, so that no guest fills the log. */
static void complain(const char *what, uint64_t where)
{
	static atomic_ulong quiet_until;
	uint64_t now = time_ns();

	if (now >= quiet_until) {
		quiet_until = now + NS_PER_SECOND;
		log_warning("service VM: %s 0x%lx", what, where);
	}
}

static uint32_t hardware_port(uint16_t port, uint8_t size, bool write, uint32_t value)
{
	if (write) {
		size == 1           ? port_write8(port, (uint8_t)value)
			: size == 2 ? port_write16(port, (uint16_t)value)
				    : port_write32(port, value);
	} else {
		value = size == 1   ? port_read8(port)
			: size == 2 ? port_read16(port)
				    : port_read32(port);
	}
	return value;
}

/* Pintle's PCI function ----------------------------------------------------------------------- */

#define CONFIG_ADDRESS 0xcf8u
#define CONFIG_DATA    0xcfcu

static struct pcifn function;   /* [V] */
static uint32_t function_place; /* [I] as in the address register; 0: there is none */
static uint32_t config_address; /* [V] */

static void raise(unsigned vector)
{
	uint64_t icr = pcifn_raise(&function, vector);
	if (icr != 0) {
		devices_message(service_vm, icr, NULL, false);
	}
}

void devices_event(unsigned cpu)
{
	LOCK_HOLD(&vdev_lock);
	raise(cpu);
}

/* What waited while it was masked. */
static void raise_waiting(void)
{
	for (int vector; (vector = pcifn_waiting(&function)) >= 0;) {
		raise((unsigned)vector);
	}
}

static bool is_config(uint32_t port)
{
	return function_place != 0 && port - CONFIG_ADDRESS < 8;
}

/* The two configuration ports: ours is answered here, all others by the machine. */
static uint32_t config_access(uint16_t port, uint8_t size, bool write, uint32_t value)
{
	uint64_t flags = lock_acquire(&vdev_lock);
	bool ours = port >= CONFIG_DATA && (config_address & ~0xfcu) == function_place;
	unsigned offset = config_address & 0xfc, shift = 8 * (port & 3);
	uint32_t mask = UINT32_MAX >> (32 - 8 * size);
	uint64_t before = pcifn_base(&function);

	if (port == CONFIG_ADDRESS && write && size == 4) {
		config_address = value;
	}
	if (!ours) {
		value = hardware_port(port, size, write, value);
	} else if (write) {
		pcifn_config_write(&function, offset, value << shift, mask << shift);
		raise_waiting();
	} else {
		value = function.config[offset / 4] >> shift & mask;
	}
	uint64_t base = pcifn_base(&function);
	lock_release(&vdev_lock, flags);
	if (base != before && base != 0) { /* the machine's own memory was there before */
		vm_protect(service_vm, base, PCIFN_BAR_SIZE, 0);
	}
	return value;
}

/* Is something of [gpa, gpa + size) its memory? */
static bool is_function(uint64_t gpa, uint64_t size)
{
	uint64_t base = pcifn_base(&function);
	return base != 0 && gpa < base + PCIFN_BAR_SIZE && base < gpa + size;
}

static uint64_t function_access(uint64_t gpa, bool write, uint64_t value)
{
	LOCK_HOLD(&vdev_lock);
	unsigned offset = (unsigned)(gpa - pcifn_base(&function)) & ~3u;

	if (write) {
		pcifn_write(&function, offset, (uint32_t)value);
		raise_waiting();
	}
	return pcifn_read(&function, offset);
}

static bool is_uart(uint32_t port)
{
	return port - uart_port < 8;
}

/* Bring an entry to the real I/O APIC, but for the UART's pin: there the guest may have fixed
 * interrupts with vectors that are not Pintle's. */
static void bring_entry(unsigned n, unsigned pin)
{
	uint64_t entry = twins[n].entry[pin];
	uint8_t vector = (uint8_t)entry;
	bool refused = ICR_MODE(entry) > MODE_LOWEST || vector < 0x20 || vector >= VECTOR_OWN_FIRST;

	if (ioapics[n].gsi_base + pin != console_line.gsi) {
		ioapic_set_entry(n, pin, entry | (refused ? IOAPIC_MASKED : 0));
	}
}

/* Bus 0, the highest device that nobody is; 0: none. SDM: PCI Local Bus 3.0, 3.2.2.3.2. */
static uint32_t free_place(void)
{
	for (uint32_t device = 32; device-- > 1;) {
		uint32_t place = BIT(31) | device << 11;
		port_write32(CONFIG_ADDRESS, place);
		if (port_read32(CONFIG_DATA) == UINT32_MAX) {
			return place;
		}
	}
	return 0;
}

void devices_init(void)
{
	uint16_t event = machine.acpi.fadt.pm1_event;
	const uint16_t *control = machine.acpi.fadt.pm1_control;

	function_place = free_place();
	uart_port = console_port != 0 ? console_port : NO_PORT;
	for (unsigned i = 0; i < ARRAY_COUNT(sleep_port); i++) {
		sleep_port[i] = control[i] != 0 ? control[i] + 1u : NO_PORT;
	}
	wake_port = event != 0 ? event + 1u : NO_PORT;
	for (uint32_t at = 0; at < NO_PORT; at++) {
		if (!is_uart(at) && !is_config(at) && at != sleep_port[0] && at != sleep_port[1] &&
			at != wake_port) {
			service_vm->bitmaps->ports[at / 8] &= (uint8_t) ~(1u << at % 8);
		}
	}
	devices_reset();
}

void devices_reset(void)
{
	pcifn_reset(&function, service_vm->vcpu_count);
	vuart_reset(&uart);
	uart_line = false;
	for (unsigned n = 0; n < ioapic_count; n++) {
		vioapic_init(&twins[n], ioapics[n].id, ioapics[n].pins);
		for (unsigned pin = 0; pin < ioapics[n].pins; pin++) {
			bring_entry(n, pin);
		}
	}
}

unsigned devices_message(struct vm *vm, uint64_t icr, struct vcpu *source, bool level)
{
	static const unsigned requests[8] = {[4] = VCPU_REQUEST_NMI | VCPU_REQUEST_LOOK,
		[5] = VCPU_REQUEST_INIT,
		[MODE_STARTUP] = VCPU_REQUEST_SIPI};
	unsigned mode = ICR_MODE(icr), count = 0;
	uint8_t vector = (uint8_t)icr;

	/* Of the lowest priority any will do. */
	for (unsigned i = 0; i < vm->vcpu_count && !(mode == MODE_LOWEST && count != 0); i++) {
		struct vcpu *vcpu = vm->vcpu[i];
		if (!vlapic_matches(&vcpu->lapic, icr, source != NULL ? &source->lapic : NULL)) {
			continue;
		}
		if (source != NULL) {
			source->ipi_target = i;
		}
		count++;
		if (mode == MODE_STARTUP) {
			vcpu->sipi_vector = vector;
		}
		if (level && mode <= MODE_LOWEST && vector >= 16) {
			__atomic_fetch_or(
				&vcpu->owed[vector / 32], 1u << vector % 32, __ATOMIC_SEQ_CST);
		}
		if (requests[mode] != 0) {
			vcpu_request(vcpu, requests[mode]);
		} else if (mode <= MODE_LOWEST && vlapic_accept(&vcpu->lapic, vector, false)) {
			vcpu_request(vcpu, VCPU_REQUEST_EVENT);
		}
	}
	return count;
}

/*
 * The host's EOI for level-triggered interrupts follows the guest's, but in the host's own order:
 * EOI always ends the highest vector in service, so that one which the guest ended early has to
 * wait for those above it.
 */
static void end_interrupts(const struct vcpu *vcpu)
{
	for (;;) {
		int vector = lapic_highest_in_service();
		if (vector < 0 || vcpu->owed[vector / 32] & 1u << vector % 32) {
			return;
		}
		lapic_eoi();
	}
}

void devices_drop_interrupts(struct vcpu *vcpu)
{
	if (!vcpu->closed) {
		memset(vcpu->owed, 0, sizeof(vcpu->owed));
		end_interrupts(vcpu);
	}
}

void devices_lapic_effect(struct vcpu *vcpu, const struct vlapic_effect *effect)
{
	uint32_t *owed = &vcpu->owed[effect->vector / 32];
	uint32_t bit = 1u << effect->vector % 32;

	vcpu_request(vcpu, VCPU_REQUEST_EVENT);
	if (effect->kind == VLAPIC_TIMER) {
		vcpu_timer_changed(vcpu);
	} else if (effect->kind == VLAPIC_IPI) {
		devices_message(vcpu->vm, effect->icr, vcpu, false);
	} else if (vcpu->record != NULL) {
		if (__atomic_fetch_and(owed, ~bit, __ATOMIC_SEQ_CST) & bit) {
			vmm_stop(vcpu, PINTLE_EXIT_EOI, effect->vector);
		}
	} else if (*owed & bit) {
		/* The vector that an EOI ended, whatever the guest has made of its mode. */
		*owed &= ~bit;
		end_interrupts(vcpu);
	}
	if (!vlapic_takes(&vcpu->lapic)) {
		devices_drop_interrupts(vcpu);
	}
}

bool devices_host_interrupt(uint8_t vector)
{
	struct vcpu *vcpu = this_cpu()->service;
	if (vcpu == NULL) {
		return false;
	}
	bool level = lapic_is_level(vector) && vlapic_takes(&vcpu->lapic);
	vlapic_accept(&vcpu->lapic, vector, level);
	vcpu_request(vcpu, VCPU_REQUEST_EVENT);
	if (level) {
		vcpu->owed[vector / 32] |= 1u << vector % 32;
	} else {
		lapic_eoi();
	}
	return true;
}

/* The UART's interrupt line as the I/O APIC sees it: an edge is what counts. */
static void update_line(void)
{
	bool line = vuart_line(&uart);
	bool rises = line && !uart_line;

	uart_line = line;
	for (unsigned n = 0; n < ioapic_count && rises; n++) {
		uint32_t pin = console_line.gsi - ioapics[n].gsi_base;
		uint64_t entry = twins[n].entry[pin % VIOAPIC_PINS_MAX];
		if (pin < ioapics[n].pins && !(entry & IOAPIC_MASKED)) {
			/* Destination and mode stand alike in entry and command register. */
			devices_message(
				service_vm, (entry >> 56) << 32 | (entry & 0xfff), NULL, false);
		}
	}
}

static uint32_t uart_access(unsigned reg, bool write, uint32_t value)
{
	LOCK_HOLD(&vdev_lock);
	int byte = write ? vuart_write(&uart, reg, (uint8_t)value) : -1;
	if (byte >= 0) {
		console_guest_put((char)byte);
		vuart_set_room(&uart, console_guest_room());
	}
	if (!write) {
		value = vuart_read(&uart, reg);
	}
	if (uart_full && uart.in_count == 0) { /* CPU 0 has more */
		uart_full = false;
		vcpu_request(service_vm->vcpu[0], VCPU_REQUEST_LOOK);
	}
	update_line();
	return value;
}

/* A sleep that is not S5 would end in the firmware, and the guest wake without Pintle (ACPI 6.5,
 * 4.8.3.2: SLP_EN and SLP_TYP are bits 5 and 4:2 of the higher byte). */
static bool is_sleep(uint16_t port, uint8_t size, uint32_t value)
{
	const struct acpi_fadt *fadt = &machine.acpi.fadt;
	bool sleeps = false;

	for (unsigned i = 0; i < ARRAY_COUNT(sleep_port); i++) {
		uint32_t byte = sleep_port[i] - port;
		uint32_t control = byte < size ? value >> 8 * byte : 0;
		sleeps |= (control & 0x20) &&
			!(fadt->has_s5 && (control >> 2 & 7) == fadt->s5_type[i]);
	}
	return sleeps;
}

static uint32_t service_port(uint16_t port, uint8_t size, bool write, uint32_t value)
{
	if (is_uart(port) || is_uart(port + size - 1u)) {
		return size == 1 ? uart_access(port - uart_port, write, value) : UINT32_MAX;
	}
	if (is_config(port)) {
		return config_access(port, size, write, value);
	}
	uint32_t byte = wake_port - port, wake = byte < size ? 0x80u << 8 * byte : 0;
	if (write && is_sleep(port, size, value)) {
		complain("a sleep state other than S5 is refused: port", port);
		woken = true; /* what the guest waits for now (ACPI 6.5, 4.8.3.1.1) */
		return value;
	}
	if (write) {
		woken = woken && !(value & wake);
	}
	value = hardware_port(port, size, write, value);
	return write || !woken ? value : value | wake;
}

bool devices_port(struct vcpu *vcpu, uint16_t port, uint8_t size, bool write, uint32_t *value)
{
	uint64_t wide = *value;
	bool guest = vcpu->record != NULL;
	bool done = !guest || vmm_ask(vcpu, PINTLE_EXIT_IO, port, size, write, &wide);

	*value = guest ? (uint32_t)wide : service_port(port, size, write, *value);
	return done;
}

void devices_poll(void)
{
	if (uart.room || service_vm == NULL || !console_guest_room()) {
		return;
	}
	LOCK_HOLD(&vdev_lock);
	vuart_set_room(&uart, true);
	update_line();
}

bool devices_uart_input(uint8_t byte)
{
	LOCK_HOLD(&vdev_lock);
	uart_full = !vuart_receive(&uart, byte);
	update_line();
	return !uart_full;
}

static uint32_t ioapic_access(unsigned n, unsigned offset, bool write, uint32_t value)
{
	LOCK_HOLD(&vdev_lock);
	int pin = write ? vioapic_write(&twins[n], offset, value) : -1;
	if (pin >= 0) {
		bring_entry(n, (unsigned)pin);
	}
	return vioapic_read(&twins[n], offset);
}

/* Does Pintle keep anything of [base, base + size) of memory to itself? */
static bool is_hidden(uint64_t base, uint64_t size)
{
	unsigned types = 1u << MEM_OWN | 1u << MEM_IMAGE | 1u << MEM_MODULE;
	bool hidden = piece_is_deposited(base);

	if (size > PAGE_SIZE) { /* a large page of device memory must not take RAM along */
		types |= 1u << MEM_FREE | 1u << MEM_ACPI | 1u << MEM_NVS;
	}
	for (unsigned i = 0; i < machine.memmap.count; i++) {
		const struct mem_range *range = &machine.memmap.range[i];
		hidden |= (types >> range->type & 1) && range->base < base + size &&
			base < range->base + range->size;
	}
	return hidden;
}

/* The service VM's I/O APICs, and what is not to be had. */
static uint64_t service_access(uint64_t gpa, bool write, uint64_t value)
{
	if (is_function(gpa, 1)) {
		return function_access(gpa, write, value);
	}
	for (unsigned n = 0; n < ioapic_count; n++) {
		uint64_t offset = gpa - ioapics[n].base.raw;
		if (offset < 0x100) {
			return ioapic_access(n, (unsigned)offset, write, (uint32_t)value);
		}
	}
	if (is_hidden(gpa, 1)) {
		complain("an access to Pintle's own memory at", gpa);
	}
	return UINT64_MAX;
}

/* One access to a page that a device of ours answers, or, at Pintle's own memory, nobody. False:
 * the VMM was asked. */
static bool access(struct vcpu *vcpu, uint64_t gpa, uint8_t size, bool write, uint64_t *value)
{
	struct vlapic_effect effect = {0};
	unsigned reg = (gpa & PAGE_MASK) / 16;

	if ((gpa & ~PAGE_MASK) == (vcpu->lapic.base_msr & APIC_BASE_ADDRESS) &&
		!vlapic_is_x2apic(&vcpu->lapic)) {
		if (write) {
			vlapic_write(&vcpu->lapic, reg, (uint32_t)*value, tsc_read(), &effect);
			devices_lapic_effect(vcpu, &effect);
		} else {
			vlapic_read(&vcpu->lapic, reg, tsc_read(), value);
		}
		return true;
	}
	if (vcpu->record != NULL) {
		return vmm_ask(vcpu, PINTLE_EXIT_MMIO, gpa, size, write, value);
	}
	*value = service_access(gpa, write, *value);
	return true;
}

static void load(struct vcpu *vcpu, const struct insn *insn, uint64_t value)
{
	uint64_t *gpr = &vcpu->regs.gpr[insn->gpr];
	int unused = 64 - 8 * insn->size;
	value <<= unused;
	value = insn->sign_extend ? (uint64_t)((int64_t)value >> unused) : value >> unused;
	if (insn->high_byte) {
		*gpr = (*gpr & ~0xff00ull) | value << 8;
	} else {
		insn_write_gpr(gpr, insn->register_size, value);
	}
}

/* True: done, and exit->length is the instruction's. */
static bool emulate(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	uint8_t fetched[INSN_MAX];
	bool told = exit->fault.byte_count != 0;
	size_t len = told ? exit->fault.byte_count : gmem_fetch(vcpu, fetched);
	const uint8_t *bytes = told ? exit->fault.bytes : fetched;
	uint64_t gpa = exit->fault.gpa;
	struct insn insn;
	bool known = insn_decode(bytes, len, gmem_mode(vcpu), &insn) == 0;
	uint64_t value = 0;

	known = known && insn.kind <= INSN_STORE;
	exit->length = known ? insn.length : 0;
	if (known && insn.kind == INSN_STORE) {
		value = vcpu->regs.gpr[insn.gpr] >> (insn.high_byte ? 8 : 0);
		value = insn.has_immediate ? insn.immediate : value;
	}
	if (!known && !vcpu->closed && is_hidden(gpa, 1)) {
		complain("no load or store, at Pintle's own memory", gpa);
		vcpu_raise(vcpu, VECTOR_PROTECTION, true, 0);
	} else if (!known) {
		if (vcpu->record != NULL) {
			vcpu->record->address = gpa;
		}
		vcpu_kill(vcpu, "an instruction on a device register that is not known");
	} else if (!access(vcpu, gpa, insn.size, insn.kind == INSN_STORE, &value)) {
		return false;
	} else if (insn.kind == INSN_LOAD) {
		load(vcpu, &insn, value);
	}
	return known;
}

/* Does Pintle answer in [base, base + size), or keep it to itself? */
static bool is_kept(struct vcpu *vcpu, uint64_t base, uint64_t size)
{
	bool kept = (vcpu->lapic.base_msr & APIC_BASE_ADDRESS) - base < size;
	for (unsigned n = 0; n < ioapic_count; n++) {
		kept |= (ioapics[n].base.raw & ~PAGE_MASK) - base < size;
	}
	return kept || is_function(base, size) || is_hidden(base, size);
}

/* Identity, as much around `gpa` as nobody else needs: device memory is mapped when it is first
 * touched. A guest that touches all addresses must leave some frames, hence the limit on tables. */
static bool map_identity(struct vcpu *vcpu, uint64_t gpa)
{
	bool large = !is_kept(vcpu, ALIGN_DOWN(gpa, LARGE_SIZE), LARGE_SIZE), flush = false;
	uint64_t size = large ? LARGE_SIZE : PAGE_SIZE, base = ALIGN_DOWN(gpa, size);
	/* What is deposited meanwhile is unmapped under this lock. */
	uint64_t flags = lock_acquire(&vm_lock);
	bool done = gpa < BIT(48) && vcpu->vm->stage2.tables < 512 && !is_kept(vcpu, base, size) &&
		stage2_map_identity(&vcpu->vm->stage2, base, size, &flush) == 0;
	lock_release(&vm_lock, flags);
	if (flush) {
		vm_flush(vcpu->vm);
	}
	return done;
}

bool devices_stage2_fault(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	uint64_t gpa = exit->fault.gpa;
	bool again = !vcpu->closed
		? map_identity(vcpu, gpa)
		: vcpu->vm->logs && exit->fault.write && gmem_open(vcpu->vm, gpa);
	return !again && emulate(vcpu, exit);
}
