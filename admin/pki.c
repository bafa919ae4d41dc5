/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pki init, issue, renew, revoke, show: certificates without another tool. Needs no engine. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/command.h"
#include "admin/output.h"
#include "common/clock.h"
#include "common/dns_name.h"
#include "common/pki.h"

#define CA_DAYS	      3650
#define NODE_DAYS     825
#define LIST_DAYS     365
#define DAYS_MAX      36500
#define ADDRESSES_MAX 16

static const char help[] =
	"Usage: vmreplica pki init DIRECTORY [--name NAME] [--days N]\n"
	"       vmreplica pki issue DIRECTORY NODE --site SITE [--address IP]... [--days N]\n"
	"       vmreplica pki renew DIRECTORY NODE.SITE [--days N]\n"
	"       vmreplica pki revoke DIRECTORY [FILE] [--days N]\n"
	"       vmreplica pki show FILE\n"
	"init makes a certificate authority in DIRECTORY; issue makes NODE.SITE.crt and "
	"NODE.SITE.key\n"
	"there; renew replaces both by new ones for the same names; revoke puts the certificate "
	"FILE\n"
	"on the list DIRECTORY/crl.pem, or without FILE makes the list anew before it grows stale; "
	"show\n"
	"prints what a certificate says. Both sites must trust the same authority.\n\n"
	"      --name NAME     name of the authority (default: vmreplica CA)\n"
	"      --site SITE     name of the site, as in vmreplica.conf, such as a.example\n"
	"      --address IP    an address that the certificate holds for: name the broker's; may "
	"be\n"
	"                      repeated\n"
	"      --days N        how long it is valid (default: 3650 for the authority, 825 for a "
	"node,\n"
	"                      365 for the list)\n"
	"      --json          print JSON\n"
	"  -h, --help          show this text\n";

enum { OPTION_NAME = OPTION_OWN, OPTION_SITE, OPTION_ADDRESS, OPTION_DAYS };

struct pki_options {
	const char *name, *site;
	const char *addresses[ADDRESSES_MAX + 1]; /* NULL-terminated */
	size_t address_count;
	int days; /* 0 = the default */
};

static bool is_ip(const char *text)
{
	unsigned char address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

static int pki_option(const struct common_options *common, int code,
		      struct pki_options *ret_options)
{
	long long days;

	switch (code) {
	case OPTION_NAME:
		ret_options->name = optarg;
		return STATUS_DONE;
	case OPTION_SITE:
		ret_options->site = optarg;
		return dns_name_is_valid(optarg)
			       ? STATUS_DONE
			       : command_misused(common, "site \"%s\" is no DNS name", optarg);
	case OPTION_ADDRESS:
		if (!is_ip(optarg) || ret_options->address_count == ADDRESSES_MAX) {
			return command_misused(common, "\"%s\" is no IP address, or one too many",
					       optarg);
		}
		ret_options->addresses[ret_options->address_count++] = optarg;
		return STATUS_DONE;
	default:
		if (!command_parse_number(optarg, 1, DAYS_MAX, &days)) {
			return command_misused(common, "\"%s\" is not 1 to %d days", optarg,
					       DAYS_MAX);
		}
		ret_options->days = (int)days;
		return STATUS_DONE;
	}
}

static int run_init(const struct common_options *common, const struct pki_options *options,
		    const char *directory)
{
	char error[PKI_ERROR_LEN] = "";

	if (pki_init(directory, options->name, options->days != 0 ? options->days : CA_DAYS,
		     error) < 0) {
		return command_failed(error, NULL);
	}
	if (common->json) {
		return output_json(json_pack("{s:o}", "directory", output_json_string(directory)),
				   false);
	}
	printf("%s/ca.crt goes to every node of both sites; %s/ca.key stays here and secret.\n",
	       directory, directory);
	return STATUS_DONE;
}

static int run_issue(const struct common_options *common, const struct pki_options *options,
		     const char *directory, const char *node)
{
	const char *site_names[] = {options->site, NULL};
	char full[DNS_NAME_MAX + 1], error[PKI_ERROR_LEN] = "";
	struct pki_request request = {.node = full,
				      .dns_names = site_names,
				      .addresses = options->addresses,
				      .days = options->days != 0 ? options->days : NODE_DAYS};

	if (options->site == NULL) {
		return command_misused(common, "name the site with --site, such as a.example");
	}
	if (snprintf(full, sizeof(full), "%s.%s", node, options->site) >= (int)sizeof(full) ||
	    !dns_name_is_valid(full)) {
		return command_misused(common, "\"%s\" cannot be the name of a node", node);
	}
	if (pki_issue(directory, &request, error) < 0) {
		return command_failed(error, NULL);
	}
	if (common->json) {
		return output_json(json_pack("{s:s, s:o}", "node", full, "directory",
					     output_json_string(directory)),
				   false);
	}
	printf("Copy to node %s, into /etc/vmreplica/pki (key: mode 0640, root:vmreplica):\n"
	       "  %s/ca.crt       as ca.crt\n  %s/%s.crt as node.crt\n  %s/%s.key as node.key\n",
	       node, directory, directory, full, directory, full);
	return STATUS_DONE;
}

static int run_renew(const struct common_options *common, const struct pki_options *options,
		     const char *directory, const char *node)
{
	char error[PKI_ERROR_LEN] = "";

	if (pki_renew(directory, node, options->days != 0 ? options->days : NODE_DAYS, error) < 0) {
		return command_failed(error, NULL);
	}
	if (common->json) {
		return output_json(json_pack("{s:o, s:o}", "node", output_json_string(node),
					     "directory", output_json_string(directory)),
				   false);
	}
	printf("Copy to the node, into /etc/vmreplica/pki: %s/%s.crt as node.crt, %s/%s.key as "
	       "node.key.\nIts daemons take them within seconds; no connection and no cycle is "
	       "lost.\n",
	       directory, node, directory, node);
	return STATUS_DONE;
}

static int run_revoke(const struct common_options *common, const struct pki_options *options,
		      const char *directory, const char *file)
{
	char error[PKI_ERROR_LEN] = "";

	if (pki_revoke(directory, file, options->days != 0 ? options->days : LIST_DAYS, error) <
	    0) {
		return command_failed(error, NULL);
	}
	if (common->json) {
		return output_json(json_pack("{s:o}", "directory", output_json_string(directory)),
				   false);
	}
	printf("Copy %s/crl.pem to all nodes of both sites, as /etc/vmreplica/pki/crl.pem (mode "
	       "0644):\nit is in force within seconds.\n",
	       directory);
	return STATUS_DONE;
}

static int show_json(const struct pki_info *info, const char *not_before, const char *not_after)
{
	return output_json(json_pack("{s:o, s:o, s:o, s:s, s:s, s:b, s:b, s:b, s:b}", "subject",
				     output_json_string(info->subject), "issuer",
				     output_json_string(info->issuer), "names",
				     output_json_string(info->names), "not_before", not_before,
				     "not_after", not_after, "ca", (int)info->is_ca, "server_auth",
				     (int)info->server_auth, "client_auth", (int)info->client_auth,
				     "wildcard", (int)info->has_wildcard),
			   false);
}

static int run_show(const struct common_options *common, const char *path)
{
	char error[PKI_ERROR_LEN] = "", not_before[RFC3339_LEN], not_after[RFC3339_LEN];
	struct pki_info info;

	if (pki_show(path, &info, error) < 0) {
		return command_failed(error, NULL);
	}
	clock_format_rfc3339(info.not_before_ms, not_before);
	clock_format_rfc3339(info.not_after_ms, not_after);
	if (common->json) {
		return show_json(&info, not_before, not_after);
	}
	printf("subject     %s\nissuer      %s\nnames       %s\nvalid from  %s\nvalid until %s%s\n"
	       "purpose     %s%s%s\n",
	       info.subject, info.issuer, info.names[0] != '\0' ? info.names : "-", not_before,
	       not_after, info.not_after_ms < clock_wall_ms() ? "  EXPIRED" : "",
	       info.is_ca ? "authority " : "", info.server_auth ? "server " : "",
	       info.client_auth ? "client" : "");
	return STATUS_DONE;
}

int command_pki(int argc, char **argv)
{
	static const struct option long_options[] = {
		COMMON_LONG_OPTIONS,
		{"name", required_argument, NULL, OPTION_NAME},
		{"site", required_argument, NULL, OPTION_SITE},
		{"address", required_argument, NULL, OPTION_ADDRESS},
		{"days", required_argument, NULL, OPTION_DAYS},
		{0}};
	struct common_options common = {.command = "pki", .help = help};
	struct pki_options options = {.name = "vmreplica CA"};
	int code, operands;

	while ((code = command_next_option(&common, argc, argv, long_options)) != -1) {
		if (pki_option(&common, code, &options) != STATUS_DONE) {
			return STATUS_USAGE;
		}
	}
	operands = argc - optind;
	argv += optind;
	if (operands == 2 && strcmp(argv[0], "init") == 0) {
		return run_init(&common, &options, argv[1]);
	}
	if (operands == 3 && strcmp(argv[0], "issue") == 0) {
		return run_issue(&common, &options, argv[1], argv[2]);
	}
	if (operands == 2 && strcmp(argv[0], "show") == 0) {
		return run_show(&common, argv[1]);
	}
	if (operands == 3 && strcmp(argv[0], "renew") == 0) {
		return run_renew(&common, &options, argv[1], argv[2]);
	}
	if ((operands == 2 || operands == 3) && strcmp(argv[0], "revoke") == 0) {
		return run_revoke(&common, &options, argv[1], operands == 3 ? argv[2] : NULL);
	}
	return command_misused(&common, "say init DIRECTORY, issue DIRECTORY NODE, renew DIRECTORY "
					"NODE.SITE, revoke DIRECTORY [FILE] or show FILE");
}
