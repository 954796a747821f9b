// SPDX-License-Identifier: Apache-2.0
#include "guards.hpp"

namespace {

constexpr auto kOneStep = "all that counts is that it is one step";
constexpr auto kQueueLock = "the lock of the ready queue orders more";
constexpr auto kFenceBeside = "the fence beside it orders more";
constexpr auto kKick = "a kick, which the kernel hands over under a lock, orders more";
constexpr auto kHint = "each reader believes one word alone";
constexpr auto kVerdict = "parked is read again after it, and orders more";
constexpr auto kOwn = "orders what this thread did before against nobody";
constexpr auto kUntouched = "who drops a handle has written nothing to the frame";
constexpr auto kPageWalk = "against a hart's page walk, which is no C++ (test-threads)";

}  // namespace

const std::vector<Spare>& spares() {
    static const std::vector<Spare> all = {
        {"completion.cpp list_slot acquire", kOneStep},
        {"shared_words.hpp list_slot acquire", kOneStep},
        {"requests.cpp cops_executor_drain release", kOneStep},
        {"queue.cpp wants_interrupt fence", "no driver of ours suppresses interrupts"},

        {"mailbox.hpp enter release", kOwn},
        {"mailbox.hpp leave total", "who misses it waits a little longer"},
        {"mailbox.hpp post_fence acquire #2", kOneStep},
        {"mailbox.hpp post_fence acquire #3", kOneStep},
        {"mailbox.hpp post_fence release #3", "a request only makes the vCPU look"},
        {"mailbox.hpp request_exit acquire", kOneStep},
        {"mailbox.hpp take_fences acquire", "kinds, taken next, hand more over"},
        {"mailbox.hpp take_fences release", "covered by the order of running and posted"},
        {"mailbox.hpp take_requests release", kOneStep},

        {"sleep.cpp cops_executor_asleep acquire", kVerdict},
        {"sleep.cpp cops_executor_asleep acquire #2", kVerdict},
        {"sleep.cpp operator() acquire #2", kVerdict},
        {"requests.cpp free_slot release", kVerdict},
        {"run.cpp begin_turn release", kVerdict},
        {"sleep.cpp cops_executor_park_end acquire", kOneStep},
        {"sleep.cpp cops_executor_park_end release", kOneStep},
        {"sleep.cpp cops_executor_park_begin acquire", kFenceBeside},
        {"sleep.cpp cops_executor_park_begin release", kFenceBeside},
        {"sleep.cpp cops_executor_park_begin total", kFenceBeside},
        {"queues.cpp kick_one acquire", kFenceBeside},
        {"queues.cpp kick_one release", kKick},
        {"queues.cpp kick_one total", kFenceBeside},
        {"sleep.cpp cops_executor_close acquire", kOneStep},
        {"sleep.cpp cops_executor_close release", "closing is seen sooner or later"},
        {"sleep.cpp cops_executor_close acquire #2", kOneStep},
        {"sleep.cpp cops_executor_close release #2", "the exchange of parked that follows"},
        {"sleep.cpp cops_executor_close acquire #3", kOneStep},
        {"queues.cpp publish release", kHint},

        {"inheritance.cpp hand_over release #2", "the signal to the next holder orders more"},
        {"groups.cpp wait release", kOwn},
        {"groups.cpp finish acquire", "the fence of whoever queues the one that waits"},
        {"task.hpp await_suspend acquire", kUntouched},
        {"schedule.hpp ~JoinHandle release", kUntouched},

        {"address_space.hpp enter acquire", kPageWalk},
        {"address_space.hpp enter release", kPageWalk},
        {"address_space.hpp leave acquire", kPageWalk},
        {"address_space.hpp leave release", kPageWalk},
        {"address_space.hpp leave total", kPageWalk},
        {"address_space.hpp harts acquire", kPageWalk},
        {"address_space.hpp harts total", kPageWalk},

        {"moves.cpp give_threads_back acquire", kOneStep},
        {"moves.cpp give_threads_back release", kOneStep},
        {"moves.cpp hand_threads_over acquire #2", kOneStep},
        {"moves.cpp hand_threads_over release", kOneStep},
        {"moves.cpp want_threads_back acquire", kOneStep},
        {"moves.cpp want_threads_back release", "the wake of the stand-in's switching coroutine"},

        {"run.cpp change_state release", kQueueLock},
        {"run.cpp join_task acquire", kOneStep},
        {"tasks.cpp pop_shared acquire #2", "its load of the head orders more"},
        {"tasks.cpp pop_shared release", kOneStep},
        {"tasks.cpp push_shared acquire", kOneStep},
        {"tasks.cpp release_task acquire", kOneStep},
    };
    return all;
}
