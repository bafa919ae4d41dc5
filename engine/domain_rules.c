/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/domain_rules.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX      4096u
#define WORD_MAX      128u
#define NUMBER_DIGITS 20u

#define ADDRESS                                                                                    \
	"type domain bus slot function multifunction controller target unit port iobase irq reg "  \
	"cssid ssid devno"
#define VIRTIO "iommu ats packed page_per_vq"
/* Every device may have these; libvirt makes aliases anew. */
#define DEVICE(device)                                                                             \
	{device "/address", ADDRESS, "", DOMAIN_TEXT_NONE, DOMAIN_COPY, false},                    \
		{device "/alias", "", "", DOMAIN_TEXT_NONE, DOMAIN_DROP_QUIETLY, false},           \
	{                                                                                          \
		device "/acpi", "index", "", DOMAIN_TEXT_NONE, DOMAIN_COPY, false                  \
	}
#define PLAIN(path, attributes)                                                                    \
	{                                                                                          \
		path, attributes, "", DOMAIN_TEXT_NONE, DOMAIN_COPY, false                         \
	}
#define MANY(path, attributes)                                                                     \
	{                                                                                          \
		path, attributes, "", DOMAIN_TEXT_NONE, DOMAIN_COPY, true                          \
	}
#define NUMBER(path, attributes)                                                                   \
	{                                                                                          \
		path, attributes, "", DOMAIN_TEXT_NUMBER, DOMAIN_COPY, false                       \
	}
#define WORD(path, attributes)                                                                     \
	{                                                                                          \
		path, attributes, "", DOMAIN_TEXT_WORD, DOMAIN_COPY, false                         \
	}
#define FREE(path)                                                                                 \
	{                                                                                          \
		path, "", "", DOMAIN_TEXT_FREE, DOMAIN_COPY, false                                 \
	}
#define MAKE(path, attributes, replaced, maker)                                                    \
	{                                                                                          \
		path, attributes, replaced, DOMAIN_TEXT_NONE, maker, true                          \
	}
#define QUIET(path)                                                                                \
	{                                                                                          \
		path, "", "", DOMAIN_TEXT_NONE, DOMAIN_DROP_QUIETLY, true                          \
	}

static const struct domain_rule rules[] = {
	{"name", "", "", DOMAIN_TEXT_WORD, DOMAIN_MAKE_NAME, false},
	{"uuid", "", "", DOMAIN_TEXT_WORD, DOMAIN_MAKE_UUID, false},
	FREE("title"),
	FREE("description"),
	NUMBER("memory", "unit dumpCore"),
	NUMBER("currentMemory", "unit"),
	NUMBER("maxMemory", "unit slots"),
	NUMBER("vcpu", "placement current"),
	PLAIN("vcpus", ""),
	MANY("vcpus/vcpu", "id enabled hotpluggable order"),
	NUMBER("iothreads", ""),
	PLAIN("iothreadids", ""),
	MANY("iothreadids/iothread", "id"),
	QUIET("resource"),

	{"os", "", "firmware", DOMAIN_TEXT_NONE, DOMAIN_MAKE_OS, false},
	WORD("os/type", "arch machine"),
	MANY("os/boot", "dev"),
	PLAIN("os/bootmenu", "enable timeout"),
	PLAIN("os/bios", "useserial rebootTimeout"),
	QUIET("os/firmware"), /* these three: replica_domain.c's make_firmware */
	QUIET("os/loader"),
	QUIET("os/nvram"),
	{"os/kernel", "", "", DOMAIN_TEXT_NONE, DOMAIN_MAKE_KERNEL, false},
	{"os/initrd", "", "", DOMAIN_TEXT_NONE, DOMAIN_MAKE_KERNEL, false},
	{"os/cmdline", "", "", DOMAIN_TEXT_FREE, DOMAIN_MAKE_CMDLINE, false},

	PLAIN("features", ""),
	PLAIN("features/acpi", ""),
	PLAIN("features/apic", "eoi"),
	PLAIN("features/pae", ""),
	PLAIN("features/hap", "state"),
	PLAIN("features/viridian", ""),
	PLAIN("features/privnet", ""),
	PLAIN("features/pvspinlock", "state"),
	PLAIN("features/pmu", "state"),
	PLAIN("features/vmport", "state"),
	PLAIN("features/vmcoreinfo", "state"),
	PLAIN("features/ioapic", "driver"),
	PLAIN("features/gic", "version"),
	PLAIN("features/msrs", "unknown"),
	PLAIN("features/smm", "state"),
	NUMBER("features/smm/tseg", "unit"),
	PLAIN("features/kvm", ""),
	PLAIN("features/kvm/hidden", "state"),
	PLAIN("features/kvm/hint-dedicated", "state"),
	PLAIN("features/kvm/poll-control", "state"),
	PLAIN("features/kvm/pv-ipi", "state"),
	PLAIN("features/hyperv", "mode"),
	PLAIN("features/hyperv/relaxed", "state"),
	PLAIN("features/hyperv/vapic", "state"),
	PLAIN("features/hyperv/spinlocks", "state retries"),
	PLAIN("features/hyperv/vpindex", "state"),
	PLAIN("features/hyperv/runtime", "state"),
	PLAIN("features/hyperv/synic", "state"),
	PLAIN("features/hyperv/stimer", "state"),
	PLAIN("features/hyperv/stimer/direct", "state"),
	PLAIN("features/hyperv/reset", "state"),
	PLAIN("features/hyperv/vendor_id", "state value"),
	PLAIN("features/hyperv/frequencies", "state"),
	PLAIN("features/hyperv/reenlightenment", "state"),
	PLAIN("features/hyperv/tlbflush", "state"),
	PLAIN("features/hyperv/ipi", "state"),
	PLAIN("features/hyperv/evmcs", "state"),
	PLAIN("features/hyperv/avic", "state"),

	PLAIN("cpu", "mode match check migratable"),
	WORD("cpu/model", "fallback vendor_id"),
	WORD("cpu/vendor", ""),
	PLAIN("cpu/topology", "sockets dies clusters cores threads"),
	PLAIN("cpu/cache", "level mode"),
	PLAIN("cpu/maxphysaddr", "mode bits limit"),
	MANY("cpu/feature", "policy name"),
	PLAIN("cpu/numa", ""),
	MANY("cpu/numa/cell", "id cpus memory unit discard"),
	PLAIN("cpu/numa/cell/distances", ""),
	MANY("cpu/numa/cell/distances/sibling", "id value"),

	PLAIN("clock", "offset timezone adjustment basis"),
	MANY("clock/timer", "name tickpolicy present track frequency mode"),
	PLAIN("clock/timer/catchup", "threshold slew limit"),
	WORD("on_poweroff", ""),
	WORD("on_reboot", ""),
	WORD("on_crash", ""),
	PLAIN("pm", ""),
	PLAIN("pm/suspend-to-mem", "enabled"),
	PLAIN("pm/suspend-to-disk", "enabled"),

	PLAIN("devices", ""),
	MAKE("devices/emulator", "", "", DOMAIN_MAKE_EMULATOR),
	QUIET("devices/audio"), /* libvirt adds one that leads nowhere */

	MAKE("devices/disk", "model", "type device snapshot", DOMAIN_MAKE_DISK),
	DEVICE("devices/disk"),
	QUIET("devices/disk/source"),
	QUIET("devices/disk/backingStore"),
	QUIET("devices/disk/mirror"),
	{"devices/disk/driver",
	 "cache error_policy rerror_policy io ioeventfd event_idx copy_on_read discard "
	 "detect_zeroes "
	 "queues queue_size iothread " VIRTIO,
	 "name type", DOMAIN_TEXT_NONE, DOMAIN_COPY, false},
	PLAIN("devices/disk/target", "dev bus tray removable rotation_rate"),
	PLAIN("devices/disk/boot", "order loadparm"),
	PLAIN("devices/disk/blockio", "logical_block_size physical_block_size discard_granularity"),
	PLAIN("devices/disk/geometry", "cyls heads secs trans"),
	WORD("devices/disk/serial", ""),
	WORD("devices/disk/wwn", ""),
	WORD("devices/disk/vendor", ""),
	WORD("devices/disk/product", ""),

	MANY("devices/controller",
	     "type index model ports vectors maxEventChannels maxGrantFrames"),
	DEVICE("devices/controller"),
	PLAIN("devices/controller/driver",
	      "queues cmd_per_lun max_sectors ioeventfd iothread " VIRTIO),
	PLAIN("devices/controller/model", "name"),
	PLAIN("devices/controller/master", "startport"),
	PLAIN("devices/controller/target", "chassisNr chassis port busNr index hotplug"),
	NUMBER("devices/controller/pcihole64", "unit"),

	MAKE("devices/interface", "trustGuestRxFilters", "type", DOMAIN_MAKE_INTERFACE),
	DEVICE("devices/interface"),
	QUIET("devices/interface/source"),
	QUIET("devices/interface/target"),
	QUIET("devices/interface/mac"),
	QUIET("devices/interface/link"),
	PLAIN("devices/interface/model", "type"),
	PLAIN("devices/interface/driver", "name txmode ioeventfd event_idx queues rx_queue_size "
					  "tx_queue_size rss rss_hash_report " VIRTIO),
	PLAIN("devices/interface/driver/host", "csum gso tso4 tso6 ecn ufo mrg_rxbuf"),
	PLAIN("devices/interface/driver/guest", "csum tso4 tso6 ecn ufo"),
	PLAIN("devices/interface/mtu", "size"),
	PLAIN("devices/interface/boot", "order"),
	PLAIN("devices/interface/rom", "bar enabled"),

	MAKE("devices/serial", "", "type", DOMAIN_MAKE_SERIAL),
	DEVICE("devices/serial"),
	QUIET("devices/serial/source"),
	PLAIN("devices/serial/target", "type port"),
	PLAIN("devices/serial/target/model", "name"),
	MAKE("devices/console", "", "type tty", DOMAIN_MAKE_SERIAL),
	DEVICE("devices/console"),
	QUIET("devices/console/source"),
	PLAIN("devices/console/target", "type port"),

	MAKE("devices/channel", "", "type", DOMAIN_MAKE_CHANNEL),
	DEVICE("devices/channel"),
	QUIET("devices/channel/source"),
	{"devices/channel/target", "type name", "state", DOMAIN_TEXT_NONE, DOMAIN_COPY, false},

	MAKE("devices/input", "type bus model", "", DOMAIN_MAKE_INPUT),
	DEVICE("devices/input"),
	PLAIN("devices/input/driver", VIRTIO),

	MAKE("devices/graphics", "keymap sharePolicy",
	     "type port autoport tlsPort listen passwd passwdValidTo connected socket websocket "
	     "powerControl",
	     DOMAIN_MAKE_GRAPHICS),
	QUIET("devices/graphics/listen"),
	PLAIN("devices/graphics/image", "compression"),
	PLAIN("devices/graphics/jpeg", "compression"),
	PLAIN("devices/graphics/zlib", "compression"),
	PLAIN("devices/graphics/playback", "compression"),
	PLAIN("devices/graphics/streaming", "mode"),
	PLAIN("devices/graphics/mouse", "mode"),
	PLAIN("devices/graphics/clipboard", "copypaste"),
	PLAIN("devices/graphics/filetransfer", "enable"),

	MANY("devices/video", ""),
	DEVICE("devices/video"),
	PLAIN("devices/video/driver", "name vgaconf " VIRTIO),
	PLAIN("devices/video/model", "type ram vram vram64 vgamem heads primary blob"),
	PLAIN("devices/video/model/resolution", "x y"),

	PLAIN("devices/memballoon", "model autodeflate freePageReporting"),
	DEVICE("devices/memballoon"),
	PLAIN("devices/memballoon/stats", "period"),
	PLAIN("devices/memballoon/driver", VIRTIO),

	MAKE("devices/rng", "model", "", DOMAIN_MAKE_RNG),
	DEVICE("devices/rng"),
	QUIET("devices/rng/backend"),
	PLAIN("devices/rng/rate", "bytes period"),
	PLAIN("devices/rng/driver", VIRTIO),

	MANY("devices/watchdog", "model action"),
	DEVICE("devices/watchdog"),
	MAKE("devices/tpm", "model", "", DOMAIN_MAKE_TPM),
	DEVICE("devices/tpm"),
	QUIET("devices/tpm/backend"),
	MANY("devices/panic", "model"),
	DEVICE("devices/panic"),
};

static const struct {
	const char *path, *sentence;
} explanations[] = {
	{"metadata", "metadata is not taken over"},
	{"memoryBacking", "memory backing (huge pages, locking) is not taken over: the replica VM "
			  "uses ordinary memory"},
	{"cputune", "CPU pinning and tuning is the host's own: not taken over"},
	{"numatune", "NUMA placement is the host's own: not taken over"},
	{"memtune", "memory limits are the host's own: not taken over"},
	{"blkiotune", "I/O weights are the host's own: not taken over"},
	{"seclabel", "the security label is the host's own: not taken over"},
	{"launchSecurity", "encrypted memory (launchSecurity) is not possible for a replica VM"},
	{"sysinfo", "SMBIOS and firmware strings (sysinfo) are not taken over"},
	{"genid",
	 "the generation id is not taken over: the guest does not notice a failover by it"},
	{"devices/hostdev",
	 "a device of the host is passed through (hostdev): the replica VM starts without it"},
	{"devices/filesystem", "a directory of the host is shared (filesystem): the replica VM "
			       "starts without it"},
	{"devices/redirdev", "USB redirection is not taken over"},
	{"devices/sound", "the sound card is not taken over"},
	{"devices/parallel", "the parallel port is not taken over"},
	{"devices/smartcard", "the smart card is not taken over"},
	{"devices/shmem", "shared memory with other VMs (shmem) is not taken over"},
	{"devices/memory", "a memory module (DIMM or NVDIMM) is not taken over"},
	{"devices/iommu", "the IOMMU is not taken over"},
	{"devices/vsock", "the vsock device is not taken over"},
	{"devices/lease", "the lock lease is not taken over"},
	{"devices/serial/log", "the console is not logged to a file on the replica side"},
	{"devices/console/log", "the console is not logged to a file on the replica side"},
	{"devices/disk/iotune", "limits on disk I/O (iotune) are not taken over"},
	{"devices/disk/shareable", "a shared disk is the replica VM's alone"},
	{"devices/disk/transient", "a transient disk is an ordinary one on the replica side"},
	{"devices/disk/encryption", "the disk's encryption is not taken over"},
	{"devices/interface/bandwidth", "limits on network traffic are not taken over"},
	{"devices/interface/filterref", "network filters are not taken over: if they protect the "
					"VM, define them on the replica side"},
	{"devices/interface/vlan", "the VLAN tag is not taken over: map the network to one that "
				   "carries it"},
	{"devices/interface/virtualport", "the virtual switch's port is not taken over"},
	{"devices/interface/script", "scripts of network interfaces are never taken over"},
};

const struct domain_rule *domain_rule_find(const char *path)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (strcmp(rules[i].path, path) == 0) {
			return &rules[i];
		}
	}
	return NULL;
}

const char *domain_rule_explain(const char *path)
{
	for (size_t i = 0; i < sizeof(explanations) / sizeof(explanations[0]); i++) {
		if (strcmp(explanations[i].path, path) == 0) {
			return explanations[i].sentence;
		}
	}
	return NULL;
}

bool domain_rule_lists(const char *words, const char *name)
{
	size_t len = strlen(name);

	for (words += strspn(words, " "); *words != '\0'; words += strspn(words, " ")) {
		size_t word = strcspn(words, " ");

		if (word == len && strncmp(words, name, len) == 0) {
			return true;
		}
		words += word;
	}
	return false;
}

static bool is_made_of(const char *text, const char *others, size_t max)
{
	size_t len = strlen(text);

	if (len > max) {
		return false;
	}
	for (; *text != '\0'; text++) {
		if (!isascii((unsigned char)*text) ||
		    (!isalnum((unsigned char)*text) && strchr(others, *text) == NULL)) {
			return false;
		}
	}
	return true;
}

/* A slash is for time zones alone, and even there not in front. */
bool domain_rule_attribute_is_plain(const char *name, const char *value)
{
	bool slash = strcmp(name, "timezone") == 0;

	return value[0] != '/' && strstr(value, "..") == NULL &&
	       is_made_of(value, slash ? "_.,:+- /" : "_.,:+- ", WORD_MAX);
}

/* UTF-8 is libxml2's care; what is left are control characters, which have no place in prose. */
static bool is_prose(const char *text)
{
	if (strlen(text) > TEXT_MAX) {
		return false;
	}
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) {
			return false;
		}
	}
	return true;
}

bool domain_rule_text_is_plain(enum domain_text kind, const char *text)
{
	switch (kind) {
	case DOMAIN_TEXT_NUMBER:
		return text[0] != '\0' && strlen(text) <= NUMBER_DIGITS &&
		       strspn(text, "0123456789") == strlen(text);
	case DOMAIN_TEXT_WORD:
		return text[0] != '\0' && is_made_of(text, "_.:+- ", WORD_MAX);
	case DOMAIN_TEXT_FREE:
		return is_prose(text);
	case DOMAIN_TEXT_NONE:
		break;
	}
	return false;
}
