/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A sanitizer looks at the process from a second one as it ends, with ptrace: such a build keeps
 * what that needs.
 */
#ifndef VMR_COMMON_SANITIZED_H
#define VMR_COMMON_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#endif
