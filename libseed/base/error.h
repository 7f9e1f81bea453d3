/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What went wrong, as a value: a kind to branch on and one line to read.
 *
 * Whoever detects an error words it; each level that knows a name (disk, VM,
 * file) prefixes it once; only tools/ prints it and adds strerror(sys_errno).
 */
#ifndef SEED_BASE_ERROR_H
#define SEED_BASE_ERROR_H

#include <stdarg.h>

enum seed_error_kind {
	SEED_ERR_NONE = 0,
	SEED_ERR_SYSTEM,	/* a system call failed: sys_errno says why */
	SEED_ERR_USAGE,		/* the command or the configuration is wrong */
	SEED_ERR_RANGE,		/* past the end of a disk, beyond a limit of ours */
	SEED_ERR_FORMAT,	/* not what it claims to be, or not understood */
	SEED_ERR_INTEGRITY,	/* bytes differ from their digest */
	SEED_ERR_TRUST,		/* signature missing, bad or not trusted */
	SEED_ERR_IDENTITY,	/* another VM, another lineage, or a rollback */
	SEED_ERR_MEDIUM,	/* medium missing, wrong, full or failing */
	SEED_ERR_BUSY,		/* source or target in use, or changed while read */
	SEED_ERR_LOCKED,	/* another run of ours holds it */
	SEED_ERR_PARTIAL,	/* some done; the rest has verdicts of its own */
	SEED_ERR_CANCELLED,	/* asked to stop */
	SEED_ERR_NOTFOUND,	/* no such key, card, replica, seed */
	SEED_ERR_LINK,		/* the connection to another site broke: trying again may help */
};

struct seed_error {			/* plain data: copied by =, never freed */
	enum seed_error_kind kind;	/* what callers branch on */
	int sys_errno;			/* with SEED_ERR_SYSTEM or _MEDIUM, else 0 */
	char text[488];			/* outermost context first, no newline */
};

/* All three return -1, so that "return seed_error_set(...)" reads well. A NULL
 * @err is allowed where a caller does not care. Text that does not fit is cut
 * at its end; control characters become '?', so one error stays one line.
 * seed_error_sys() is SYSTEM, or MEDIUM where @errnum says that there is no room. */
int seed_error_set(struct seed_error *err, enum seed_error_kind kind,
		   const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int seed_error_sys(struct seed_error *err, int errnum,
		   const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int seed_error_prefix(struct seed_error *err,
		      const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
