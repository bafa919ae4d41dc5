/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scoped cleanup: one idiom for giving back what a function took.
 * A variable marked so is released when its scope ends; hand it on with
 * steal_ptr() or steal_fd(), which leave the variable empty.
 */
#ifndef VMR_COMMON_CLEANUP_H
#define VMR_COMMON_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_fn(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close_fn(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
}

static inline void cleanup_fclose_fn(FILE **f)
{
	if (*f != NULL) {
		fclose(*f);
	}
}

#define cleanup_free   __attribute__((cleanup(cleanup_free_fn)))
#define cleanup_close  __attribute__((cleanup(cleanup_close_fn)))
#define cleanup_fclose __attribute__((cleanup(cleanup_fclose_fn)))

/* Take a value out of a cleanup variable, so that its scope's end does not release it. */
#define steal_ptr(p)                                                                               \
	({                                                                                         \
		__typeof__(p) stolen_ = (p);                                                       \
		(p) = NULL;                                                                        \
		stolen_;                                                                           \
	})

static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

#endif
