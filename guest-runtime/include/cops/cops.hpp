// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Everything an application needs: coroutines with levels, and asynchronous calls.
/// docs/programming-guide.md teaches it from zero.
#include <cops/error.hpp>
#include <cops/io.hpp>
#include <cops/process.hpp>
#include <cops/schedule.hpp>
#include <cops/task.hpp>

/// The application. libcops has main(), which makes this the first coroutine, at cops::kMainLevel;
/// what it returns is the exit status, and ends the process though other coroutines may be
/// unfinished.
cops::Task<int> cops_main(int argc, char** argv);
