/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verify: begun, asked for and cancelled where the VM's owner is. */
#include <errno.h>
#include <stdlib.h>

#include "engine/admin_vm.h"
#include "engine/relationship_verify.h"
#include "engine/vm_status.h"

static void verify_reply(struct admin_call *call, const struct relationship *rel,
			 const struct verify_run *run)
{
	const struct verify_state *state = &run->state;
	/* while a cycle runs its worker writes all but the counts */
	bool ours = run->phase != VERIFY_RUNNING || !rel->running;
	size_t count = ours ? state->difference_count : 0;
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__VerifyResponse verify = VMREPLICA__ADMIN__VERIFY_RESPONSE__INIT;
	Vmreplica__Admin__VerifyDifference *differences = calloc(count + 1, sizeof(*differences));
	Vmreplica__Admin__VerifyDifference **list = calloc(count + 1, sizeof(*list));

	for (size_t i = 0; differences != NULL && list != NULL && i < count; i++) {
		vmreplica__admin__verify_difference__init(&differences[i]);
		differences[i].disk = vm_status_borrow(state->differences[i].disk);
		differences[i].offset = state->differences[i].offset;
		differences[i].length = state->differences[i].length;
		list[verify.n_differences++] = &differences[i];
	}
	verify.differences = list;
	verify.id = vm_status_borrow(run->id);
	verify.vm = vm_status_borrow(rel->settings.vm);
	verify.state = vm_status_borrow(verify_phase_to_string(run->phase));
	verify.what = vm_status_borrow("primary");
	verify.done_bytes = atomic_load(&state->done_bytes);
	verify.total_bytes = atomic_load(&state->total_bytes);
	if (ours) {
		verify.first_seq = state->first_seq;
		verify.last_seq = state->last_seq;
		verify.cuts = state->cuts;
		verify.differing_bytes = state->differing_bytes;
	}
	verify.text = vm_status_borrow(run->text);
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_VERIFY;
	response.verify = &verify;
	admin_call_reply(call, &response);
	free(differences);
	free(list);
}

static void verify_begin(struct admin_call *call, struct relationship *rel, bool one_cut)
{
	struct verify_run *run;

	if (rel->suspended) {
		admin_call_fail(call, EBUSY, "vmreplica resume first",
				"replication of %s is paused: there is no cut to compare with",
				rel->settings.vm);
		return;
	}
	if (rel->last_replicated_ms == 0) {
		admin_call_fail(call, EBUSY, "vmreplica status shows how far it is",
				"initial replication of %s is not complete", rel->settings.vm);
		return;
	}
	run = relationship_verify_begin(rel, one_cut);
	if (run == NULL) {
		admin_call_fail(call, ENOMEM, "", "out of memory");
		return;
	}
	if (one_cut && !run->state.one_cut) {
		admin_call_fail(call, EBUSY, "wait for its end, or end it with --cancel",
				"a verification of %s in slices is under way", rel->settings.vm);
		return;
	}
	verify_reply(call, rel, run);
}

void admin_verify(struct admin_call *call, const Vmreplica__Admin__Request *request)
{
	const Vmreplica__Admin__VerifyRequest *verify = request->verify;
	struct engine *engine = admin_call_engine(call);
	struct relationship *rel = admin_find_relationship(engine, verify->vm);
	struct verify_run *run;

	if (rel == NULL && admin_find_replica(engine, verify->vm) != NULL) {
		admin_not_on_replica(call, verify->vm, "be compared with the primary from here");
		return;
	}
	if (rel == NULL) {
		admin_pass_to_owner(call, request, verify->vm, ADMIN_FORWARD_MS);
		return;
	}
	if (verify->id[0] == '\0' && !verify->cancel) {
		verify_begin(call, rel, verify->one_cut);
		return;
	}
	run = verify->id[0] == '\0' ? rel->verify : relationship_verify_find(rel, verify->id);
	if (run == NULL && verify->id[0] == '\0') {
		admin_call_fail(call, ENOENT, "", "no verification of %s is under way", verify->vm);
		return;
	}
	if (run == NULL) {
		admin_call_fail(call, ESRCH, "begin it again",
				"the verification of %s ended with a move or a restart",
				verify->vm);
		return;
	}
	if (verify->cancel) {
		relationship_verify_cancel(rel);
	}
	verify_reply(call, rel, run);
}
