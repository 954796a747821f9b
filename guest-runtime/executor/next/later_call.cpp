// SPDX-License-Identifier: Apache-2.0
// What a later executor may have and this one has not. Only a test builds it.
#include <executor/executor.h>

extern "C" uint32_t cops_later_call();

uint32_t cops_later_call() {
    return COPS_EXECUTOR_ABI;
}
