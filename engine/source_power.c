/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_power.h"

#include <errno.h>

#include "common/clock.h"
#include "engine/source_call.h"
#include "engine/source_error.h"

#define POLL_MS 500

static int start_vm(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	if (virDomainIsActive(domain) != 1 && virDomainCreate(domain) < 0) {
		return source_call_translate(call, conn, "starting the VM");
	}
	return 0;
}

static int stop_vm(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	call->number = virDomainIsActive(domain) == 1;
	if (call->number == 1 && call->flags == 0 && virDomainShutdown(domain) < 0) {
		return source_call_translate(call, conn, "shutting the VM down");
	}
	return 0;
}

static int run(struct source_connection *connection, const char *vm, source_call_fn what,
	       unsigned int flags, int *ret_number, char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, vm, what, NULL, NULL);
	int result;

	if (call == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	call->flags = flags;
	result = source_call_run(call, SOURCE_CALL_CHANGE_MS, error);
	if (result == 0) {
		*ret_number = call->number;
	}
	return result;
}

int source_power(struct source_connection *connection, const char *vm, bool start, int timeout_ms,
		 char error[SOURCE_ERROR_LEN])
{
	int64_t until_ms = clock_monotonic_ms() + timeout_ms;
	int active = 0;
	int result = run(connection, vm, start ? start_vm : stop_vm, 0, &active, error);

	while (result == 0 && active != 0) {
		if (clock_monotonic_ms() >= until_ms) {
			return source_fail(-ETIMEDOUT, error, "%s does not shut down", vm);
		}
		clock_sleep_ms(POLL_MS);
		result = run(connection, vm, stop_vm, 1, &active, error);
	}
	return result;
}
