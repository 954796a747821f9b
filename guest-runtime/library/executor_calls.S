/* SPDX-License-Identifier: Apache-2.0 */
/* Each call of the executor goes on in the vDSO, where vdso.cpp found it. */

#define COPS_EXECUTOR_CALL(name)                       \
    .global cops_executor_##name;                      \
    .type cops_executor_##name, @function;             \
    cops_executor_##name: ld t1, cops_entry_##name;    \
    jr t1;                                             \
    .size cops_executor_##name, . - cops_executor_##name;

.text
#include <executor/calls.inc>
.section .note.GNU-stack, "", @progbits
