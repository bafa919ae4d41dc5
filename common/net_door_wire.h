/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said over the door's socket: both ends are of one installation. */
#ifndef VMR_COMMON_NET_DOOR_WIRE_H
#define VMR_COMMON_NET_DOOR_WIRE_H

#include <stdint.h>

#include "common/net_door.h"

#define NET_DOOR_MAGIC	  0x766d7201u
#define NET_DOOR_HOST_LEN 256

enum net_door_action {
	NET_DOOR_DIAL = 1,
	NET_DOOR_LISTEN = 2,
};

struct net_door_request {
	uint32_t magic, action, port;
	int32_t timeout_ms;
	char host[NET_DOOR_HOST_LEN]; /* terminated */
};

struct net_door_answer {
	int32_t result; /* 0, with the descriptor; or a negative errno */
	char text[NET_DOOR_ERROR_LEN];
};

#endif
