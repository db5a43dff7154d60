/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/disk.c - operations on a raw file or block device.
 *
 * Each operation is issued, and its result judged by finish(): short transfers go on, zeroing falls
 * back to what the file system can do. So the ways through io_uring and without it are the same.
 */
#define _GNU_SOURCE 1
#include "service/vmm/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/vmm/say.h"

#define SECTOR     512u
#define ENTRIES    256u
#define ZERO_PIECE (64u * 1024)

static uint8_t zeroes[ZERO_PIECE];

/* The segments of the next write of zeroes: all of them the same bytes. */
static void aim_at_zeroes(struct disk_op *op)
{
	uint64_t left = op->len;
	for (op->count = 0; left != 0 && op->count < op->room; op->count++) {
		uint64_t piece = left < ZERO_PIECE ? left : ZERO_PIECE;
		op->segment[op->count] = (struct iovec){zeroes, piece};
		left -= piece;
	}
}

static int fallocate_mode(enum disk_what what)
{
	bool keep = what == DISK_ZERO;
	return FALLOC_FL_KEEP_SIZE | (keep ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE);
}

/* A part of a transfer is through. */
static void advance(struct disk_op *op, uint64_t bytes)
{
	op->offset += bytes;
	op->len -= bytes;
	if (op->what == DISK_WRITE_ZEROES) {
		aim_at_zeroes(op);
		return;
	}
	while (op->count != 0 && bytes >= op->segment->iov_len) {
		bytes -= op->segment->iov_len;
		op->segment++;
		op->count--;
	}
	if (op->count != 0) {
		op->segment->iov_base = (char *)op->segment->iov_base + bytes;
		op->segment->iov_len -= bytes;
	}
}

/* Not every file system knows every way to make zeroes: false when there is no other. */
static bool fall_back(struct disk_op *op)
{
	if (op->what == DISK_UNMAP) {
		op->what = DISK_ZERO;
		return true;
	}
	if (op->what == DISK_ZERO) {
		op->what = DISK_WRITE_ZEROES;
		aim_at_zeroes(op);
		return true;
	}
	return false;
}

/* Judge a result; false: issue the operation again, for what is left of it. */
static bool finish(struct disk *disk, struct disk_op *op, int result)
{
	bool moves =
		op->what == DISK_READ || op->what == DISK_WRITE || op->what == DISK_WRITE_ZEROES;
	if (result == -EINTR || result == -EAGAIN) {
		return false;
	}
	if (result == -EOPNOTSUPP && fall_back(op)) {
		return false;
	}
	if (moves && result == 0) {
		result = -EIO; /* the file has become shorter, or the device is full */
	}
	if (moves && result > 0) {
		advance(op, (uint64_t)result);
		if (op->len != 0) {
			return false;
		}
	}
	disk->in_flight--;
	op->done(op, result < 0 ? result : 0);
	return true;
}

static int run_now(struct disk *disk, struct disk_op *op)
{
	ssize_t result;
	off_t offset = (off_t)op->offset;
	switch (op->what) {
	case DISK_READ:
		result = preadv(disk->fd, op->segment, (int)op->count, offset);
		break;
	case DISK_WRITE:
	case DISK_WRITE_ZEROES:
		result = pwritev2(
			disk->fd, op->segment, (int)op->count, offset, op->through ? RWF_DSYNC : 0);
		break;
	case DISK_FLUSH:
		result = fdatasync(disk->fd);
		break;
	default:
		result = fallocate(disk->fd, fallocate_mode(op->what), offset, (off_t)op->len);
		break;
	}
	return result < 0 ? -errno : (int)result;
}

static void prepare(struct disk *disk, struct disk_op *op, struct io_uring_sqe *sqe)
{
	int fd = disk->fd;
	switch (op->what) {
	case DISK_READ:
		io_uring_prep_readv(sqe, fd, op->segment, op->count, op->offset);
		break;
	case DISK_WRITE:
	case DISK_WRITE_ZEROES:
		io_uring_prep_writev2(
			sqe, fd, op->segment, op->count, op->offset, op->through ? RWF_DSYNC : 0);
		break;
	case DISK_FLUSH:
		io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
		break;
	default:
		io_uring_prep_fallocate(
			sqe, fd, fallocate_mode(op->what), (off_t)op->offset, (off_t)op->len);
		break;
	}
	io_uring_sqe_set_data(sqe, op);
}

static void issue(struct disk *disk, struct disk_op *op)
{
	struct io_uring_sqe *sqe = disk->uring ? io_uring_get_sqe(&disk->ring) : NULL;
	if (sqe == NULL && disk->uring) {
		io_uring_submit(&disk->ring); /* full: make room */
		sqe = io_uring_get_sqe(&disk->ring);
	}
	if (sqe != NULL) {
		prepare(disk, op, sqe);
		return;
	}
	while (!finish(disk, op, run_now(disk, op))) {
	}
}

void disk_start(struct disk *disk, struct disk_op *op)
{
	disk->in_flight++;
	issue(disk, op);
}

bool disk_commit(struct disk *disk)
{
	if (!disk->uring || io_uring_sq_ready(&disk->ring) == 0) {
		return true;
	}
	return io_uring_submit(&disk->ring) >= 0;
}

void disk_reap(struct disk *disk)
{
	struct io_uring_cqe *cqe;
	while (disk->uring && io_uring_peek_cqe(&disk->ring, &cqe) == 0) {
		struct disk_op *op = io_uring_cqe_get_data(cqe);
		int result = cqe->res;
		io_uring_cqe_seen(&disk->ring, cqe);
		if (!finish(disk, op, result)) {
			issue(disk, op);
		}
	}
}

void disk_drain(struct disk *disk)
{
	while (disk->in_flight != 0) {
		io_uring_submit_and_wait(&disk->ring, 1); /* an error: what has ended makes room */
		disk_reap(disk);
	}
}

int disk_fd(const struct disk *disk)
{
	return disk->uring ? disk->ring.ring_fd : -1;
}

static bool no_disk(const char *path)
{
	say("the disk %s is neither a file nor a block device; give the path of one", path);
	return false;
}

/* Find the size; false after a message. */
static bool measure(struct disk *disk, const char *path)
{
	struct stat st;
	int block = SECTOR;
	if (fstat(disk->fd, &st) != 0) {
		say("cannot examine the disk %s: %s", path, strerror(errno));
		return false;
	}
	if (S_ISBLK(st.st_mode)) {
		if (ioctl(disk->fd, BLKGETSIZE64, &disk->bytes) != 0 ||
			ioctl(disk->fd, BLKSSZGET, &block) != 0) {
			say("cannot ask the disk %s for its size: %s", path, strerror(errno));
			return false;
		}
	} else if (S_ISREG(st.st_mode)) {
		disk->bytes = (uint64_t)st.st_size;
	} else {
		return no_disk(path);
	}
	disk->block = block < (int)SECTOR ? SECTOR : (uint32_t)block;
	if (disk->bytes % SECTOR != 0) {
		say("the last %u bytes of the disk %s are no whole sector; the guest will not see them",
			(unsigned)(disk->bytes % SECTOR), path);
		disk->bytes -= disk->bytes % SECTOR;
	}
	if (disk->bytes == 0) {
		say("the disk %s is empty; give it a size first: truncate -s 8G %s", path, path);
		return false;
	}
	return true;
}

bool disk_open(struct disk *disk, const char *path, bool read_only, unsigned depth)
{
	struct stat st;
	*disk = (struct disk){.read_only = read_only};
	if (stat(path, &st) == 0 &&
		S_ISFIFO(st.st_mode)) { /* to open it would wait for its writer */
		return no_disk(path);
	}
	disk->fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (disk->fd < 0) {
		say("cannot open the disk %s: %s%s", path, strerror(errno),
			!read_only && (errno == EACCES || errno == EROFS)
				? "; add ,ro if it is only to be read"
				: "");
		return false;
	}
	/* Two guests that write to one file system destroy it. */
	if (flock(disk->fd, (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0 &&
		errno == EWOULDBLOCK) {
		say("the disk %s is in use by another process; stop that, or give both guests ,ro",
			path);
		close(disk->fd);
		return false;
	}
	if (!measure(disk, path)) {
		close(disk->fd);
		return false;
	}
	/* Without io_uring (an old kernel, or forbidden) all works too, one after another. */
	unsigned entries = depth < ENTRIES ? depth : ENTRIES;
	disk->uring = io_uring_queue_init(entries, &disk->ring, 0) == 0;
	return true;
}

void disk_close(struct disk *disk)
{
	disk_drain(disk);
	if (disk->uring) {
		io_uring_queue_exit(&disk->ring);
	}
	close(disk->fd);
}
