/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/load_elf.c - ELF files of 32 and 64 bits (System V ABI, 4 and 5): their segments, and
 * the note that gives the PVH entry (Xen's include/public/elfnote.h, number 18).
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "service/vmm/load.h"
#include "service/vmm/say.h"

#define NOTE_PVH_ENTRY 18u

/* A program header of either width. */
struct segment {
	uint32_t type;
	uint64_t offset, gpa, file_size, memory_size;
};

struct table {
	uint64_t offset, count, entry_size;
};

/* [offset, offset + size) lies in the file. */
static bool inside(const struct load_file *file, uint64_t offset, uint64_t size)
{
	return offset <= file->size && size <= file->size - offset;
}

/* The file's head: what it says of itself and where its program headers are. */
static int read_head(const struct load_file *file, struct load_elf *elf, struct table *table)
{
	union {
		Elf32_Ehdr narrow;
		Elf64_Ehdr wide;
	} head;
	if (!inside(file, 0, sizeof(head))) {
		return -ENOEXEC;
	}
	memcpy(&head, file->data, sizeof(head));
	const unsigned char *id = head.narrow.e_ident;
	*elf = (struct load_elf){.wide = id[EI_CLASS] == ELFCLASS64};
	uint16_t machine = elf->wide ? head.wide.e_machine : head.narrow.e_machine;
	if (memcmp(id, ELFMAG, SELFMAG) != 0 || id[EI_DATA] != ELFDATA2LSB ||
		(machine != EM_386 && machine != EM_X86_64)) {
		return -ENOEXEC;
	}
	if (elf->wide) {
		elf->entry = head.wide.e_entry;
		*table =
			(struct table){head.wide.e_phoff, head.wide.e_phnum, head.wide.e_phentsize};
	} else {
		elf->entry = head.narrow.e_entry;
		*table = (struct table){
			head.narrow.e_phoff, head.narrow.e_phnum, head.narrow.e_phentsize};
	}
	if (table->entry_size < (elf->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) ||
		!inside(file, table->offset, table->count * table->entry_size)) {
		say("%s is damaged: its program headers lie outside of it", file->path);
		return -EINVAL;
	}
	return 0;
}

static struct segment read_segment(
	const struct load_file *file, const struct table *table, bool wide, uint64_t index)
{
	const uint8_t *at = file->data + table->offset + index * table->entry_size;
	if (wide) {
		Elf64_Phdr p;
		memcpy(&p, at, sizeof(p));
		return (struct segment){p.p_type, p.p_offset, p.p_paddr, p.p_filesz, p.p_memsz};
	}
	Elf32_Phdr p;
	memcpy(&p, at, sizeof(p));
	return (struct segment){p.p_type, p.p_offset, p.p_paddr, p.p_filesz, p.p_memsz};
}

static uint64_t padded(uint32_t size)
{
	return ((uint64_t)size + 3) & ~UINT64_C(3);
}

static void read_notes(
	const struct load_file *file, const struct segment *segment, struct load_elf *elf)
{
	uint64_t at = segment->offset, end = segment->offset + segment->file_size;
	while (end - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		memcpy(&note, file->data + at, sizeof(note));
		uint64_t name = at + sizeof(note), value = name + padded(note.n_namesz);
		uint64_t next = value + padded(note.n_descsz);
		if (next > end) {
			return;
		}
		if (note.n_type == NOTE_PVH_ENTRY && note.n_namesz == 4 &&
			memcmp(file->data + name, "Xen", 4) == 0 && note.n_descsz >= 4 &&
			note.n_descsz <= 8) {
			elf->has_pvh = true;
			memcpy(&elf->pvh_entry, file->data + value, note.n_descsz);
		}
		at = next;
	}
}

int load_elf_check(const struct load_file *file, struct load_elf *elf)
{
	struct table table;
	int err = read_head(file, elf, &table);
	for (uint64_t i = 0; err == 0 && i < table.count; i++) {
		struct segment segment = read_segment(file, &table, elf->wide, i);
		if (segment.type == PT_NOTE && inside(file, segment.offset, segment.file_size)) {
			read_notes(file, &segment, elf);
		}
	}
	return err;
}

static int load_segment(const struct load *load, const struct segment *s)
{
	const struct load_file *kernel = &load->kernel;
	if (s->file_size > s->memory_size || !inside(kernel, s->offset, s->file_size)) {
		say("%s is damaged: a segment lies outside of it", kernel->path);
		return -EINVAL;
	}
	uint8_t *to = memory_at(load->memory, s->gpa, s->memory_size);
	if (to == NULL || s->gpa < LOAD_MIN || s->gpa >= MEMORY_LOW_END) {
		say("%s wants to be at 0x%lx to 0x%lx, where the guest has no memory for it: give it "
		    "more (--mem)",
			kernel->path, s->gpa, s->gpa + s->memory_size);
		return -ENOMEM;
	}
	memcpy(to, kernel->data + s->offset, s->file_size);
	memset(to + s->file_size, 0, s->memory_size - s->file_size);
	return 0;
}

int load_elf_segments(const struct load *load, struct load_elf *elf)
{
	struct table table;
	struct load_elf head;
	int err = read_head(&load->kernel, &head, &table);
	for (uint64_t i = 0; err == 0 && i < table.count; i++) {
		struct segment segment = read_segment(&load->kernel, &table, head.wide, i);
		if (segment.type == PT_LOAD && segment.memory_size != 0) {
			err = load_segment(load, &segment);
			uint64_t end = segment.gpa + segment.memory_size;
			elf->end = end > elf->end ? end : elf->end;
		}
	}
	return err;
}
