/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of domain_fit.c that looks at firmware, devices and networks. Private to it. */
#ifndef VMR_ENGINE_DOMAIN_FIT_DEVICES_H
#define VMR_ENGINE_DOMAIN_FIT_DEVICES_H

#include "engine/domain_fit.h"

/* All borrowed; capabilities and domain_capabilities may be NULL. */
struct domain_fit_view {
	const xmlNode *root; /* <domain> */
	const xmlNode *host, *capabilities, *domain_capabilities;
	const char *node;
	struct domain_fit *fit;
};

void domain_fit_firmware(const struct domain_fit_view *view);
void domain_fit_devices(const struct domain_fit_view *view);
void domain_fit_networks(const struct domain_fit_view *view);

#endif
