/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that the engine has put into a store's directory import/ become its base layers. */
#ifndef VMR_RECEIVER_IMPORT_H
#define VMR_RECEIVER_IMPORT_H

#include "proto/ipc.pb-c.h"
#include "receiver/receiver.h"

/* Answered by STORE_IMPORTED, from a worker, however long it takes. A store that has an image
 * already is left as it is; the same cut again is no error. Control thread. */
void store_import(struct receiver *receiver, const Vmreplica__Ipc__StoreImport *request);

#endif
