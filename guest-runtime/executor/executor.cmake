# SPDX-License-Identifier: Apache-2.0
# The executor's sources and the flags they need wherever they are built: in the vDSO, in the kernel,
# and on the host for the tests.
set(COPS_EXECUTOR_DIR ${CMAKE_CURRENT_LIST_DIR})
set(COPS_EXECUTOR_SOURCES
    ${COPS_EXECUTOR_DIR}/queues.cpp
    ${COPS_EXECUTOR_DIR}/requests.cpp
    ${COPS_EXECUTOR_DIR}/run.cpp
    ${COPS_EXECUTOR_DIR}/sleep.cpp
    ${COPS_EXECUTOR_DIR}/tasks.cpp
)
# Interfaces it meets: <executor/executor.h>, <kernel_abi/user_abi.h>, <virtio_cops/virtio_cops.h>.
set(COPS_EXECUTOR_INCLUDES
    ${COPS_EXECUTOR_DIR}/include
    ${COPS_EXECUTOR_DIR}/../../guest-kernel/include
    ${COPS_EXECUTOR_DIR}/../../virtio-cops/include
)
# No library calls (memcpy, guards, unwinding), no relocation that a loader would have to apply.
set(COPS_EXECUTOR_FLAGS
    -ffreestanding -fno-builtin -mno-implicit-float -fno-exceptions -fno-rtti -fno-threadsafe-statics
    -fno-asynchronous-unwind-tables -fno-stack-protector -fPIC -fvisibility=protected
)
