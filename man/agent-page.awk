# SPDX-License-Identifier: GPL-2.0-or-later
# The manual page of a resource agent from its metadata (XML on standard input): an agent's metadata
# is its manual. Knows the few elements that OCF metadata has, no general XML.
#   awk -v version=X -f agent-page.awk < metadata
BEGIN { RS = "<"; ORS = "" }

function attribute(name,    at) {
	at = index(tag, " " name "=\"")
	if (at == 0) {
		return ""
	}
	at = substr(tag, at + length(name) + 3)
	return substr(at, 1, index(at, "\"") - 1)
}

function plain(text) {
	gsub(/&lt;/, "<", text)
	gsub(/&gt;/, ">", text)
	gsub(/&quot;/, "\"", text)
	gsub(/&amp;/, "\\&", text)
	gsub(/\\/, "\\e", text)
	gsub(/-/, "\\-", text)
	gsub(/^[ \t\n]+|[ \t\n]+$/, "", text)
	gsub(/\n\./, "\n\\\\\\&.", text)
	gsub(/\n[ \t]*\n/, "\n.PP\n", text)
	return text
}

function flush_parameter(    extra) {
	extra = required ? ", required" : ""
	if (preset != "") {
		extra = extra ", default " plain(preset)
	}
	if (reloadable) {
		extra = extra ", changed without a restart"
	}
	parameters = parameters ".TP\n.B " plain(parameter) "\n(" type extra ")\n.br\n" about "\n"
}

function print_page() {
	print ".\\\" Generated from the metadata of ocf:vmreplica:" agent ".\n"
	print ".TH OCF_VMREPLICA_" toupper(agent) " 7 \"\" \"vmreplica " version "\" \"OCF resource agents\"\n"
	print ".SH NAME\nocf_vmreplica_" agent " \\- " summary "\n"
	print ".SH SYNOPSIS\n.B pcs resource create\n.I ID\n.B ocf:vmreplica:" agent "\n.RI [ PARAMETER = VALUE \" ...]\"\n"
	print ".SH DESCRIPTION\n" description "\n"
	print ".SH PARAMETERS\n" (parameters == "" ? "None.\n" : parameters)
	print ".SH ACTIONS\nWith the shortest timeouts advised:\n" actions
	print ".SH SEE ALSO\n.BR vmreplica (1),\n.BR vmreplica\\-engine (8),\n.BR vmreplica\\-broker (8),\n.BR vmreplica.conf (5)\n"
}

{
	end = index($0, ">")
	tag = substr($0, 1, end - 1)
	body = substr($0, end + 1)
	name = tag
	sub(/[ \n\/].*/, "", name)
}

name == "resource-agent" { agent = attribute("name") }
name == "parameter" {
	parameter = attribute("name")
	required = attribute("required") == "1"
	reloadable = attribute("reloadable") == "1"
	preset = about = type = ""
}
name == "longdesc" && parameter == "" { description = plain(body) }
name == "longdesc" && parameter != "" { about = plain(body) }
name == "shortdesc" && parameter == "" { summary = plain(body) }
name == "content" {
	type = attribute("type")
	preset = attribute("default")
}
tag == "/parameter" {
	flush_parameter()
	parameter = ""
}
name == "action" {
	every = attribute("interval")
	actions = actions ".TP\n.B " plain(attribute("name")) "\ntimeout " attribute("timeout") \
		(every == "" ? "" : ", every " every) "\n"
}

END {
	if (agent == "" || summary == "" || description == "") {
		print "agent-page.awk: this is no metadata of a resource agent\n" > "/dev/stderr"
		exit 1
	}
	print_page()
}
