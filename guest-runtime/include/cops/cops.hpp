// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Everything an application needs: coroutines with levels, asynchronous calls, and ways for
/// coroutines to wait for each other.
/// docs/programming-guide.md teaches it from zero.
#include <cops/block_on.hpp>
#include <cops/error.hpp>
#include <cops/io.hpp>
#include <cops/local.hpp>
#include <cops/process.hpp>
#include <cops/schedule.hpp>
#include <cops/sync/cancellation.hpp>
#include <cops/sync/channel.hpp>
#include <cops/sync/condition.hpp>
#include <cops/sync/event.hpp>
#include <cops/sync/limit.hpp>
#include <cops/sync/mutex.hpp>
#include <cops/sync/semaphore.hpp>
#include <cops/sync/sleep.hpp>
#include <cops/sync/task_group.hpp>
#include <cops/sync/when.hpp>
#include <cops/task.hpp>

/// The application. libcops has main(), which makes this the first coroutine, at cops::kMainLevel;
/// what it returns is the exit status, and ends the process though other coroutines may be
/// unfinished.
cops::Task<int> cops_main(int argc, char** argv);
