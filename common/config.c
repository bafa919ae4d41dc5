/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/dns_name.h"
#include "common/rate.h"

/* A setting's value goes through one of these: 0, or negative with *why naming what would be right.
 */
typedef int (*setting_parse_fn)(void *field, const char *value, const char **why);

struct setting {
	const char *section, *name, *initial; /* initial NULL: none */
	setting_parse_fn parse;
	size_t field; /* offset in struct config */
};

static int parse_text(void *field, const char *value, const char **why)
{
	char *copy = strdup(value);

	if (copy == NULL) {
		*why = "out of memory";
		return -ENOMEM;
	}
	free(*(char **)field);
	*(char **)field = copy;
	return 0;
}

static int parse_dns(void *field, const char *value, const char **why)
{
	if (!dns_name_is_valid(value)) {
		*why = "give a DNS name such as a.example";
		return -EINVAL;
	}
	return parse_text(field, value, why);
}

static int parse_path(void *field, const char *value, const char **why)
{
	if (value[0] != '/') {
		*why = "give an absolute path";
		return -EINVAL;
	}
	return parse_text(field, value, why);
}

static int parse_path_or_empty(void *field, const char *value, const char **why)
{
	return value[0] == '\0' ? parse_text(field, value, why) : parse_path(field, value, why);
}

static int parse_level(void *field, const char *value, const char **why)
{
	static const char *const levels[] = {"error", "warning", "notice", "info", "debug"};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(value, levels[i]) == 0) {
			return parse_text(field, value, why);
		}
	}
	*why = "one of error, warning, notice, info, debug";
	return -EINVAL;
}

static int parse_port(void *field, const char *value, const char **why)
{
	char *end;
	long port = strtol(value, &end, 10);

	if (value[0] < '0' || value[0] > '9' || *end != '\0' || port < 1 || port > 65535) {
		*why = "give a port from 1 to 65535";
		return -EINVAL;
	}
	*(uint16_t *)field = (uint16_t)port;
	return 0;
}

static int parse_size(void *field, const char *value, const char **why)
{
	if (rate_parse(value, field) < 0) {
		*why = "give bytes, such as 512M or 2G";
		return -EINVAL;
	}
	return 0;
}

static int parse_bool(void *field, const char *value, const char **why)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(value, words[i]) == 0) {
			*(bool *)field = i % 2 == 1;
			return 0;
		}
	}
	*why = "yes or no";
	return -EINVAL;
}

static int parse_relay(void *field, const char *value, const char **why)
{
	*why = "one of never, auto, always";
	return relay_mode_from_string(value, field);
}

static int parse_crl_check(void *field, const char *value, const char **why)
{
	*why = "one of warn, require, off";
	return tls_crl_check_from_string(value, field);
}

#define SETTING(section, name, initial, parse, field)                                              \
	{                                                                                          \
		section, name, initial, parse, offsetof(struct config, field)                      \
	}

static const struct setting settings[] = {
	SETTING("site", "name", NULL, parse_dns, site),
	SETTING("node", "name", NULL, parse_dns, node),
	SETTING("node", "replication-address", "", parse_text, replication_address),
	SETTING("node", "port", "8651", parse_port, port),
	SETTING("node", "listen", "::", parse_text, listen),
	SETTING("broker", "port", "8650", parse_port, broker_port),
	SETTING("broker", "relay", "auto", parse_relay, relay),
	SETTING("tls", "ca", VMR_SYSCONFDIR "/pki/ca.crt", parse_path, tls_ca),
	SETTING("tls", "certificate", VMR_SYSCONFDIR "/pki/node.crt", parse_path, tls_certificate),
	SETTING("tls", "key", VMR_SYSCONFDIR "/pki/node.key", parse_path, tls_key),
	SETTING("tls", "crl", VMR_SYSCONFDIR "/pki/crl.pem", parse_path, tls_crl),
	SETTING("tls", "crl-check", "warn", parse_crl_check, tls_crl_check),
	SETTING("scratch", "directory", VMR_STATEDIR "/scratch", parse_path, scratch_directory),
	SETTING("scratch", "reserve", "2G", parse_size, scratch_reserve_bytes),
	SETTING("scratch", "cap", "8G", parse_size, scratch_cap_bytes),
	SETTING("store", "history-cap", "32G", parse_size, history_cap_bytes),
	SETTING("store", "spool-cap", "4G", parse_size, spool_cap_bytes),
	SETTING("store", "reserve", "1G", parse_size, storage_reserve_bytes),
	SETTING("replica", "boot-directory", "", parse_path_or_empty, boot_directory),
	SETTING("log", "directory", VMR_LOGDIR, parse_path_or_empty, log_directory),
	SETTING("log", "level", "notice", parse_level, log_level),
	SETTING("standalone", "enabled", "no", parse_bool, standalone),
	SETTING("standalone", "start-on-silence", "yes", parse_bool, start_on_silence),
};
#define SETTING_COUNT (sizeof(settings) / sizeof(settings[0]))

static void *setting_field(struct config *config, const struct setting *setting)
{
	return (char *)config + setting->field;
}

static int config_set_defaults(struct config *config)
{
	const char *why;
	char host[256];

	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const struct setting *setting = &settings[i];
		void *field = setting_field(config, setting);

		if (setting->initial != NULL && setting->parse(field, setting->initial, &why) < 0) {
			return -ENOMEM;
		}
	}
	if (gethostname(host, sizeof(host)) < 0) {
		return -errno;
	}
	host[sizeof(host) - 1] = '\0';
	host[strcspn(host, ".")] = '\0';
	if (parse_text(&config->site, "", &why) < 0 || parse_text(&config->node, host, &why) < 0) {
		return -ENOMEM;
	}
	return 0;
}

struct config_load {
	struct config *config;
	const char *path;
	char *error;
	int lines[SETTING_COUNT]; /* where each setting was given; 0 = not yet */
};

/* "unknown setting ...; [broker] knows port, relay" */
static int config_unknown(struct config_load *load, const char *section, const char *name, int line)
{
	char known[160] = "";
	size_t used = 0;

	for (size_t i = 0; i < SETTING_COUNT && used < sizeof(known); i++) {
		if (strcmp(settings[i].section, section) == 0) {
			used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
						 used > 0 ? ", " : "", settings[i].name);
		}
	}
	if (used == 0) {
		snprintf(load->error, CONFIG_ERROR_LEN,
			 "%s:%d: unknown section [%.32s]; known: site, node, broker, tls, scratch, "
			 "store, replica, log, standalone",
			 load->path, line, section);
	} else {
		snprintf(load->error, CONFIG_ERROR_LEN,
			 "%s:%d: unknown setting '%.32s'; [%s] knows %s", load->path, line, name,
			 section, known);
	}
	return -EINVAL;
}

static int config_pair(void *arg, const char *section, const char *name, const char *value,
		       int line)
{
	struct config_load *load = arg;

	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const struct setting *setting = &settings[i];
		const char *why = "";
		int r;

		if (strcmp(setting->section, section) != 0 || strcmp(setting->name, name) != 0) {
			continue;
		}
		if (load->lines[i] != 0) {
			snprintf(load->error, CONFIG_ERROR_LEN,
				 "%s:%d: [%s] %s is given again (first in line %d)", load->path,
				 line, section, name, load->lines[i]);
			return -EINVAL;
		}
		load->lines[i] = line;
		r = setting->parse(setting_field(load->config, setting), value, &why);
		if (r < 0) {
			snprintf(load->error, CONFIG_ERROR_LEN, "%s:%d: [%s] %s = %.48s: %s",
				 load->path, line, section, name, value, why);
		}
		return r;
	}
	return config_unknown(load, section, name, line);
}

/* An empty "name =" keeps the default: the sample file shows the keys so. */
static int config_pair_or_default(void *arg, const char *section, const char *name,
				  const char *value, int line)
{
	if (value[0] == '\0' && strcmp(section, "node") == 0 && strcmp(name, "name") == 0) {
		return 0;
	}
	return config_pair(arg, section, name, value, line);
}

int config_load(const char *path, struct config *ret_config, char error[CONFIG_ERROR_LEN])
{
	struct config config = {0};
	struct config_load load = {.config = &config, .path = path, .error = error};
	int r = config_set_defaults(&config);

	if (r < 0) {
		snprintf(error, CONFIG_ERROR_LEN, "%s: %s", path, strerror(-r));
		config_destroy(&config);
		return r;
	}
	r = config_read_pairs(path, config_pair_or_default, &load, error);
	if (r == 0 && config.site[0] == '\0') {
		snprintf(error, CONFIG_ERROR_LEN,
			 "%s: [site] name is missing; give this site's DNS name, such as a.example",
			 path);
		r = -EINVAL;
	}
	if (r < 0 && r != -ENOENT) {
		config_destroy(&config);
		return r;
	}
	*ret_config = config;
	return r;
}

void config_destroy(struct config *config)
{
	free(config->site);
	free(config->node);
	free(config->replication_address);
	free(config->listen);
	free(config->tls_ca);
	free(config->tls_certificate);
	free(config->tls_key);
	free(config->tls_crl);
	free(config->scratch_directory);
	free(config->boot_directory);
	free(config->log_directory);
	free(config->log_level);
	memset(config, 0, sizeof(*config));
}

static const char *const relay_modes[] = {
	[RELAY_NEVER] = "never", [RELAY_AUTO] = "auto", [RELAY_ALWAYS] = "always"};

const char *relay_mode_to_string(enum relay_mode mode)
{
	return relay_modes[mode];
}

int relay_mode_from_string(const char *text, enum relay_mode *ret_mode)
{
	for (size_t i = 0; i < sizeof(relay_modes) / sizeof(relay_modes[0]); i++) {
		if (strcmp(text, relay_modes[i]) == 0) {
			*ret_mode = (enum relay_mode)i;
			return 0;
		}
	}
	return -EINVAL;
}

struct tls_files config_tls_files(const struct config *config)
{
	return (struct tls_files){.ca = config->tls_ca,
				  .certificate = config->tls_certificate,
				  .key = config->tls_key,
				  .crl = config->tls_crl,
				  .crl_check = config->tls_crl_check};
}

void config_site_short(const char *site, char *buf, unsigned int size)
{
	snprintf(buf, size, "%.*s", (int)strcspn(site, "."), site);
}
