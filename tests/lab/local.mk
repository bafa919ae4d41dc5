# SPDX-License-Identifier: GPL-2.0-or-later
# The embedded lab is part of the distribution as it stands.
EXTRA_DIST += tests/lab tests/README.md
