// SPDX-License-Identifier: Apache-2.0
// Where what became ready is run: on synthetic machines of up to 200 CPUs, and as a host tells it.
#include "process.hpp"
#include "sched/policy/topology.hpp"
#include "sched/workers/host_topology.hpp"
#include "simulated_fleet.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <numeric>
#include <set>
#include <tuple>
#include <vector>

namespace vmm::sched::test {
namespace {

/// A machine, and which worker has which of its CPUs.
struct Machine {
    std::vector<CpuPlace> places;
    std::set<std::uint32_t> idle;
    std::uint32_t warm = 0;

    WorkerSet idle_set() const {
        WorkerSet set;
        for (const std::uint32_t worker : idle) {
            set.insert(worker);
        }
        return set;
    }
};

/// Up to 4 nodes of caches of cores of hardware threads, 200 CPUs at most, in any order.
Machine any_machine() {
    const auto nodes = *rc::gen::inRange<std::uint32_t>(1, 5);
    const auto caches = *rc::gen::inRange<std::uint32_t>(1, 6);
    const auto threads = *rc::gen::inRange<std::uint32_t>(1, 3);
    const auto cores = *rc::gen::inRange<std::uint32_t>(1, 200 / (nodes * caches * threads) + 1);
    Machine machine;
    for (std::uint32_t node = 0; node < nodes; ++node) {
        for (std::uint32_t cache = 0; cache < caches; ++cache) {
            for (std::uint32_t core = 0; core < cores * threads; ++core) {
                const std::uint32_t in_machine = node * caches + cache;
                machine.places.push_back(
                    {.node = node, .cache = in_machine, .core = in_machine * cores + core / threads}
                );
            }
        }
    }
    const auto keys = *rc::gen::container<std::vector<std::uint32_t>>(
        machine.places.size(), rc::gen::arbitrary<std::uint32_t>()
    );
    std::vector<std::size_t> order(machine.places.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(keys[i], i); });
    std::vector<CpuPlace> shuffled;
    for (const std::size_t i : order) {
        shuffled.push_back(machine.places[i]);
    }
    machine.places = std::move(shuffled);
    const auto workers = static_cast<std::uint32_t>(machine.places.size());
    const auto density = *rc::gen::inRange<std::uint32_t>(0, 101);
    for (std::uint32_t worker = 0; worker < workers; ++worker) {
        if (keys[worker] % 100 < density) {
            machine.idle.insert(worker);
        }
    }
    machine.warm = *rc::gen::inRange<std::uint32_t>(0, workers);
    return machine;
}

/// The rule again, worker by worker: the least of this is chosen.
std::tuple<int, bool, std::uint32_t> rank(const Machine& machine, std::uint32_t worker) {
    const CpuPlace& mine = machine.places[machine.warm];
    const CpuPlace& its = machine.places[worker];
    const int distance = its.cache == mine.cache ? 1 : its.node == mine.node ? 2 : 3;
    bool beside_busy = false;
    for (std::uint32_t other = 0; other < machine.places.size(); ++other) {
        beside_busy |= machine.places[other].core == its.core && !machine.idle.contains(other);
    }
    return {worker == machine.warm ? 0 : distance, beside_busy, worker};
}

RC_GTEST_PROP(
    TopologyProperty, the_nearest_idle_worker_is_chosen_and_a_whole_core_before_half_of_one, ()
) {
    const Machine machine = any_machine();
    const Topology topology(machine.places);
    const auto chosen = topology.choose(machine.warm, machine.idle_set());
    if (machine.idle.empty()) {
        RC_ASSERT(!chosen);
        return;
    }
    const auto best = *std::ranges::min_element(machine.idle, {}, [&](std::uint32_t worker) {
        return rank(machine, worker);
    });
    RC_ASSERT(chosen == best);
}

RC_GTEST_PROP(TopologyProperty, names_of_nodes_caches_and_cores_mean_nothing, ()) {
    Machine machine = any_machine();
    const auto chosen = Topology(machine.places).choose(machine.warm, machine.idle_set());
    const auto mask = *rc::gen::arbitrary<std::uint32_t>();
    for (CpuPlace& place : machine.places) {
        place = {
            .node = place.node ^ mask, .cache = place.cache ^ ~mask, .core = place.core ^ mask
        };
    }
    RC_ASSERT(Topology(machine.places).choose(machine.warm, machine.idle_set()) == chosen);
}

/// All that wakes is told to a worker at once, and to one that has nothing to do; with a CPU each,
/// nobody ever moves.
RC_GTEST_PROP(
    TopologyProperty, vcpus_that_sleep_and_wake_on_200_cpus_stay_where_they_are_warm, ()
) {
    constexpr std::uint32_t kCpus = 200;
    std::vector<CpuPlace> places;
    for (std::uint32_t cpu = 0; cpu < kCpus; ++cpu) {
        places.push_back({.node = cpu / 100, .cache = cpu / 20, .core = cpu / 2});
    }
    SimulatedFleet fleet(
        *rc::gen::element<std::string>("priority", "fair", "rr", "pvsched"), kCpus
    );
    fleet.policy().set_topology(Topology(places));
    WorkerSet idle;
    for (std::uint32_t worker = 0; worker < kCpus; ++worker) {
        idle.insert(worker);
    }
    const auto vcpus = *rc::gen::inRange<std::uint32_t>(1, kCpus + 1);
    std::map<std::uint32_t, std::uint32_t> home;
    for (std::uint32_t vcpu = 0; vcpu < vcpus; ++vcpu) {
        fleet.add({.guest = vcpu / 8, .vcpu = vcpu % 8});
    }
    for (int step = 0; step < 300; ++step) {
        const auto vcpu = *rc::gen::inRange<std::uint32_t>(0, vcpus);
        const VcpuId id{.guest = vcpu / 8, .vcpu = vcpu % 8};
        fleet.advance(1000);
        if (fleet.at(id).worker) {
            const std::uint32_t worker = *fleet.at(id).worker;
            fleet.leave(worker, true);
            idle.insert(worker);
            continue;
        }
        const std::uint32_t warm = home.contains(vcpu) ? home[vcpu] : vcpu;
        fleet.wake(id, static_cast<std::uint8_t>(vcpu % 64));
        const auto worker = fleet.policy().choose_worker(warm, idle);
        RC_ASSERT(worker.has_value());
        RC_ASSERT(idle.contains(*worker));
        RC_ASSERT(fleet.pick(*worker)->id == id);
        idle.erase(*worker);
        RC_ASSERT(*worker == warm);
        home[vcpu] = *worker;
    }
}

TEST(Topology, of_which_nothing_is_known_has_the_warm_worker_or_the_first) {
    WorkerSet idle;
    EXPECT_FALSE(Topology().choose(0, idle));
    idle.insert(3);
    idle.insert(70);
    EXPECT_EQ(Topology().choose(70, idle), 70u);
    EXPECT_EQ(Topology().choose(5, idle), 3u);
    EXPECT_EQ(Topology().choose(1'000'000, idle), 3u);
}

TEST(Topology, workers_beyond_the_most_are_in_no_set) {
    WorkerSet idle;
    idle.insert(kMostWorkers);
    idle.insert(~std::uint32_t{0});
    EXPECT_FALSE(idle.first());
    EXPECT_FALSE(idle.contains(kMostWorkers));
    const std::vector<CpuPlace> many(kMostWorkers + 10);
    idle.insert(kMostWorkers - 1);
    EXPECT_EQ(Topology(many).choose(kMostWorkers + 5, idle), kMostWorkers - 1);
}

// ---- The host's --------------------------------------------------------------------------------

class HostTopology : public testing::Test {
protected:
    void cpu(unsigned number, const std::string& siblings, unsigned node, const std::string& l3) {
        const std::filesystem::path cpu = root_ / "cpu" / ("cpu" + std::to_string(number));
        std::filesystem::create_directories(cpu / "topology");
        std::filesystem::create_directories(cpu / ("node" + std::to_string(node)));
        test_support::write_file(cpu / "topology" / "thread_siblings_list", siblings + "\n");
        cache(cpu, 0, "1", siblings);
        cache(cpu, 1, "3", l3);
        cache(cpu, 2, "2", siblings);
    }
    void
    cache(const std::filesystem::path& cpu, int index, const char* level, const std::string& by) {
        const auto cache = cpu / "cache" / ("index" + std::to_string(index));
        std::filesystem::create_directories(cache);
        test_support::write_file(cache / "level", std::string(level) + "\n");
        test_support::write_file(cache / "shared_cpu_list", by + "\n");
    }

    test_support::TemporaryDirectory directory_;
    const std::filesystem::path root_{directory_ / "system"};
};

TEST_F(HostTopology, is_read_as_the_kernel_writes_it) {
    cpu(4, "4,12", 1, "4-7,12-15");
    cpu(5, "5,13", 1, "4-7,12-15");
    cpu(12, "4,12", 1, "4-7,12-15");
    const std::vector<unsigned> cpus{12, 4, 5};
    const std::vector<CpuPlace> expected{
        {.node = 1, .cache = 4, .core = 4},
        {.node = 1, .cache = 4, .core = 4},
        {.node = 1, .cache = 4, .core = 5},
    };
    EXPECT_EQ(host_places(cpus, root_), expected);
}

TEST_F(HostTopology, that_tells_nothing_of_a_cpu_is_not_known) {
    cpu(0, "0", 0, "0");
    const std::vector<unsigned> cpus{0, 1};
    EXPECT_TRUE(host_places(cpus, root_).empty());
    test_support::write_file(root_ / "cpu" / "cpu0" / "topology" / "thread_siblings_list", "\n");
    EXPECT_TRUE(host_places(std::span(cpus).first(1), root_).empty());
}

TEST_F(HostTopology, without_caches_and_nodes_has_cores) {
    const auto topology = root_ / "cpu" / "cpu3" / "topology";
    std::filesystem::create_directories(topology);
    test_support::write_file(topology / "thread_siblings_list", "2-3\n");
    const std::vector<unsigned> cpus{3};
    EXPECT_EQ(host_places(cpus, root_), std::vector({CpuPlace{.node = 0, .cache = 2, .core = 2}}));
}

}  // namespace
}  // namespace vmm::sched::test
