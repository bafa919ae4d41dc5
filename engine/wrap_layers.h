/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A wrapped VM that has failed over and come home writes an image of a store, which stands, by way
 * of that store's layers and of a link, on its header. Before it can be unwrapped all of that goes
 * down through the header into the raw disk. Nothing above is changed by it, so that all reads the
 * same however far it came, and it can be done again.
 *
 * The store's directory is the receiver's, which parses what peers send: root follows no link below
 * it but the one to a disk that was lent, and QEMU's user reads the images. Blocking: workers only.
 */
#ifndef VMR_ENGINE_WRAP_LAYERS_H
#define VMR_ENGINE_WRAP_LAYERS_H

#include <stdatomic.h>
#include <sys/types.h>

#include "engine/sentence_list.h"
#include "engine/source.h"
#include "engine/wrap_domain.h"

struct wrap_layers_users {
	uid_t receiver, qemu;
};

/* Does an image stand on a header, by however many others? Its path, without links, in ret_header.
 */
bool wrap_layers_find(const char *image, char ret_header[PATH_MAX]);
/* Does disk->image lie in a store of the receiver's to which disk->raw was lent, by root's own list
 * (lent_list.h)? The header has been the receiver's to write since, and may name any file by now.
 */
bool wrap_layers_is_lent(const struct wrap_disk *disk, uid_t receiver);

/* Merge disk->image and all between it and disk->header into the raw disk, durably, and note in
 * disk how the image was then. reserve_bytes: what has to stay free where a raw file grows. *stop,
 * set by another thread, gives up (-ECANCELED). 0, or a negative errno with a sentence; *ret_layers
 * counts the images that went down. */
int wrap_layers_merge(struct wrap_disk *disk, const struct wrap_layers_users *users,
		      uint64_t reserve_bytes, const atomic_bool *stop, unsigned int *ret_layers,
		      char error[SOURCE_ERROR_LEN]);
/* Was nothing written to disk->image since? */
bool wrap_layers_is_merged(const struct wrap_disk *disk);
/* Nothing stands on disk->image any more: remove it. True when it is gone, else there is a sentence
 * in problems. */
bool wrap_layers_remove(const struct wrap_disk *disk, uid_t receiver,
			struct sentence_list *problems);
/* The store that disk->image lies or lay in; false: in none. */
bool wrap_layers_store(const struct wrap_disk *disk, uid_t receiver, char ret_directory[PATH_MAX]);
/* Nobody's images lie in it any more: remove that store, and take back from the receiver what was
 * lent to it, as far as this node can. Likewise. */
bool wrap_layers_remove_store(const char *directory, uid_t receiver,
			      struct sentence_list *problems);

#endif
