/* SPDX-License-Identifier: Apache-2.0 */
/* Debian's cross headers know the lp64d ABI only; <gnu/stubs.h> asks for this file under lp64.
 * Empty on purpose. */
