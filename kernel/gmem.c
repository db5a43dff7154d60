/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/gmem.c - a guest's memory seen from the hypervisor. Guest memory is not mapped for good:
 * each access goes through this CPU's one-page peephole. Runs: on the CPU of the vCPU, interrupts
 * off.
 */
#include "kernel/gmem.h"

#include "kernel/basic.h"

uint8_t gmem_address_bits;

bool gmem_open(struct vm *vm, uint64_t gpa)
{
	struct stage2_translation page;
	bool later; /* who has less yet only comes here again */
	LOCK_HOLD(&vm_lock);

	if (!stage2_query(&vm->stage2, gpa, &page)) {
		return false;
	}
	if (page.rights & STAGE2_LOG) {
		page.rights = (page.rights & STAGE2_ALL) | STAGE2_WRITE;
		stage2_protect(
			&vm->stage2, ALIGN_DOWN(gpa, PAGE_SIZE), PAGE_SIZE, page.rights, &later);
	}
	return page.rights & STAGE2_WRITE;
}

bool gmem_copy(struct vm *vm, uint64_t gpa, void *bytes, size_t size, bool write)
{
	while (size != 0) {
		struct stage2_translation page;
		size_t part = min_u64(size, PAGE_SIZE - (gpa & PAGE_MASK));
		/* Without a lock, as the CPU itself walks: tables that are taken out stay until
		 * every CPU has answered (vm_flush()), and this one answers later. */
		bool there = stage2_query(&vm->stage2, gpa, &page);
		if (there && write && (page.rights & STAGE2_LOG) && gmem_open(vm, gpa)) {
			continue; /* look again: the log may have shut it meanwhile */
		}
		if (!there || !(page.rights & (write ? STAGE2_WRITE : STAGE2_READ)) ||
			(write && page.cache != STAGE2_WB)) {
			return false;
		}
		uint8_t *at = paging_peek(hpa(page.hpa.raw & ~PAGE_MASK));
		at += gpa & PAGE_MASK;
		memcpy(write ? at : bytes, write ? bytes : at, part);
		bytes = (uint8_t *)bytes + part;
		gpa += part;
		size -= part;
	}
	return true;
}

enum insn_mode gmem_mode(struct vcpu *vcpu)
{
	struct segment code;
	backend->get_segment(vcpu, SEG_CS, &code);
	bool is_long =
		(code.attributes & SEGMENT_LONG) && (backend->get(vcpu, VCPU_EFER) & EFER_LMA);
	return is_long ? INSN_64 : code.attributes & SEGMENT_BIG ? INSN_32 : INSN_16;
}

size_t gmem_access(struct vcpu *vcpu, uint64_t at, void *bytes, size_t size,
	enum guest_access access, uint32_t *error)
{
	struct segment stack;

	backend->get_segment(vcpu, SEG_SS, &stack);
	struct guest_paging paging = {
		.cr0 = backend->get(vcpu, VCPU_CR0),
		.cr3 = backend->get(vcpu, VCPU_CR3),
		.cr4 = backend->get(vcpu, VCPU_CR4),
		.efer = backend->get(vcpu, VCPU_EFER),
		.cpl = (uint8_t)((stack.attributes & SEGMENT_DPL) >> SEGMENT_DPL_SHIFT),
		.smap_override = backend->get(vcpu, VCPU_RFLAGS) & BIT(18), /* AC */
		.address_bits = gmem_address_bits,
	};
	for (size_t done = 0, part; done < size; done += part, at += part) {
		uint8_t *to = bytes;
		uint64_t gpa;
		part = min_u64(size - done, PAGE_SIZE - (at & PAGE_MASK));
		if (guest_translate(vcpu->vm, &paging, at, access, &gpa, error) != 0) {
			return done;
		}
		bool there = bytes == NULL ||
			gmem_copy(vcpu->vm, gpa, to + done, part, access == GUEST_WRITE);
		if (!there && access == GUEST_FETCH) {
			return done;
		}
		if (!there && access == GUEST_READ) {
			memset(to + done, 0xff, part);
		}
	}
	return size;
}

/* May the access be, by the segment (SDM vol. 3, 5.3)? Not asked in 64-bit mode. */
static bool is_inside(const struct segment *s, uint64_t offset, unsigned size, bool write)
{
	/* Table 3-1: code; data that expands down; data that may be written, code that may be read.
	 */
	bool code = s->attributes & 8, down = s->attributes & 4, more = s->attributes & 2;
	uint64_t last = offset + size - 1;

	if (!(s->attributes & SEGMENT_PRESENT) || (write && code) || (write != code && !more)) {
		return false;
	}
	return !down || code ? last <= s->limit
			     : offset > s->limit &&
			last <= (s->attributes & SEGMENT_BIG ? UINT32_MAX : UINT16_MAX);
}

bool gmem_linear(struct vcpu *vcpu, enum segment_name name, uint64_t offset, unsigned size,
	bool write, uint64_t *at)
{
	struct segment segment;

	backend->get_segment(vcpu, name, &segment);
	if (gmem_mode(vcpu) == INSN_64) {
		*at = name == SEG_FS || name == SEG_GS ? segment.base + offset : offset;
		return true;
	}
	*at = (uint32_t)(segment.base + offset);
	return is_inside(&segment, offset, size, write);
}

size_t gmem_fetch(struct vcpu *vcpu, uint8_t *bytes)
{
	uint64_t at;
	uint32_t error;
	/* The CPU has fetched it: no question of limits. */
	gmem_linear(vcpu, SEG_CS, backend->get(vcpu, VCPU_RIP), 1, false, &at);
	return gmem_access(vcpu, at, bytes, INSN_MAX, GUEST_FETCH, &error);
}
