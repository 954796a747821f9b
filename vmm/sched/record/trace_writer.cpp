// SPDX-License-Identifier: Apache-2.0
#include "sched/record/trace_writer.hpp"

#include "sched/record/json_text.hpp"
#include "sched/record/names.hpp"
#include "sched/record/record_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vmm::sched {
namespace {

constexpr std::string_view kEnd = "\n]}\n";

// Processes of the trace: one for the workers, one for each guest.
constexpr std::uint32_t kWorkers = 1;
constexpr std::uint32_t kFirstGuest = 100;

/// A track: a thread of a process of the trace.
struct Track {
    std::uint32_t process = 0;
    std::uint32_t thread = 0;
};
Track worker_track(std::uint32_t worker) {
    return {kWorkers, 1 + 2 * worker};
}
/// Where a worker publishes completions, within turns or between them.
Track completion_track(std::uint32_t worker) {
    return {kWorkers, 2 + 2 * worker};
}
Track vcpu_track(const VcpuId& id) {
    return {kFirstGuest + id.guest, 1 + id.vcpu};
}

std::string level_text(Level level) {
    return level < kLevels ? fmt::format("level {}", level) : "no level";
}

class TraceWriter final : public RecordSink {
public:
    explicit TraceWriter(RecordFile file)
        : file_(std::move(file)) {}

    void begin(const RunFacts& facts) override;
    void add(const Record& record) override {
        last_ =
            std::max(last_, std::visit([](const auto& one) { return Nanos{one.time_ns}; }, record));
        base_ = base_.value_or(last_);
        std::visit([this](const auto& one) { write(one); }, record);
        constexpr std::size_t kPiece = 1 << 18;
        if (text_.size() >= kPiece) {
            flush();
        }
    }
    void lost(std::uint64_t count) override {
        open_event('i', "records lost", worker_track(0), last_);
        put(",\"s\":\"g\",\"args\":{{\"count\":{}}}}}", count);
    }
    void flush() override {
        file_.write(text_, kEnd);
        text_.clear();
    }
    Result<void> finish() override;

private:
    /// A completion on its way to a turn of the vCPU that was woken for it.
    struct Arrival {
        std::string flow;
        Track track;
        Nanos time = 0;
    };
    struct Turn {
        VcpuId id;
        Nanos begin = 0;
        Level level = kNoLevel;  ///< Of the decision.
        bool due = false;
        // What the executor said last that ran, and since when.
        Level running = kNoLevel;
        Nanos running_since = 0;
        Nanos looked = 0;
        std::optional<Preemption> told;  ///< What it was last told to do.
        std::vector<Arrival> arrivals;   ///< While it ran.
    };
    struct Vcpu {
        std::string name;
        std::optional<std::uint32_t> worker;  ///< While it runs.
        std::optional<Nanos> ready_since;
        Level ready_level = kNoLevel;
        std::vector<Arrival> arrivals;
    };
    struct Request {
        std::string flow;  ///< Empty: nobody's turn began it.
        std::string_view operation;
        std::optional<VcpuId> reaches;
    };

    template <class... Values>
    void put(fmt::format_string<const Values&...> format, const Values&... values) {
        fmt::format_to(std::back_inserter(text_), format, values...);
    }
    std::string microseconds(Nanos time) const {
        return fmt::format("{}.{:03}", time / 1000, time % 1000);
    }
    void open_event(char phase, std::string_view name, Track track, Nanos time);
    void open_slice(std::string_view name, Track track, Nanos begin, Nanos end);
    void name_track(std::string_view kind, Track track, std::string_view name);
    void put_flow(char phase, std::string_view flow, Track track, Nanos time);
    Vcpu& vcpu(const VcpuId& id);
    void begin_wait(const VcpuId& id, Level level, Nanos now);
    void end_wait(const VcpuId& id, Nanos now);
    void end_running(const Turn& turn, std::uint32_t worker, Nanos now);
    void end_turn(std::uint32_t worker, std::string_view why, Nanos now);

    void write(const Event& event);
    void write(const PickRecord& pick);
    void write(const PreemptRecord& preempt);
    void write(const LookRecord& look);
    void write(const WakeRecord& wake);
    void write(const RestRecord& rest);
    void write(const DoorbellRecord& doorbell);
    void write(const RequestRecord& request);
    void write(const DeliveryRecord& delivery);
    void write(const CompletionRecord& completion);

    RecordFile file_;
    std::string text_;
    bool any_ = false;           // an event has been written
    std::optional<Nanos> base_;  // time 0 of the trace
    Nanos last_ = 0;
    std::map<GuestId, std::string> guests_;
    std::map<VcpuId, Vcpu> vcpus_;
    std::map<std::uint32_t, Turn> turns_;  // by worker
    std::map<std::pair<GuestId, std::uint64_t>, Request> requests_;
};

// ---- Events of the format ----------------------------------------------------------------------

/// Everything but what is special to the phase, and the closing brace.
void TraceWriter::open_event(char phase, std::string_view name, Track track, Nanos time) {
    const Nanos base = base_.value_or(time);
    put("{}{{\"ph\":\"{}\",\"name\":\"{}\",\"cat\":\"cops\",\"pid\":{},\"tid\":{},\"ts\":{}",
        any_ ? ",\n" : "",
        phase,
        json_text(name),
        track.process,
        track.thread,
        microseconds(time - std::min(base, time)));
    any_ = true;
}

void TraceWriter::open_slice(std::string_view name, Track track, Nanos begin, Nanos end) {
    begin = std::max(begin, base_.value_or(begin));  // time 0 is that of the first record
    open_event('X', name, track, begin);
    put(",\"dur\":{}", microseconds(end - std::min(begin, end)));
}

void TraceWriter::name_track(std::string_view kind, Track track, std::string_view name) {
    put("{}{{\"ph\":\"M\",\"name\":\"{}_name\",\"pid\":{},\"tid\":{},\"args\":{{\"name\":\"{}\"}}}"
        "}",
        any_ ? ",\n" : "",
        kind,
        track.process,
        track.thread,
        json_text(name));
    any_ = true;
}

/// `phase`: s (begin), t (step), f (end). Each lies in a slice of its track.
void TraceWriter::put_flow(char phase, std::string_view flow, Track track, Nanos time) {
    open_event(phase, "request", track, time);
    put(",\"id\":\"{}\",\"bp\":\"e\"}}", flow);
}

void TraceWriter::begin(const RunFacts& facts) {
    put("{{\"displayTimeUnit\":\"ns\",\"otherData\":{{\"policy\":\"{}\",\"workers\":{}}},"
        "\"traceEvents\":[\n",
        json_text(facts.policy),
        facts.workers);
    name_track("process", worker_track(0), "workers");
    for (std::uint32_t worker = 0; worker < facts.workers; ++worker) {
        name_track("thread", worker_track(worker), fmt::format("worker {}", worker));
        name_track(
            "thread", completion_track(worker), fmt::format("completions of worker {}", worker)
        );
    }
    for (const RunFacts::GuestFacts& guest : facts.guests) {
        guests_[guest.id] = guest.name;
        const VcpuId first{.domain = guest.id.domain, .guest = guest.id.guest};
        name_track("process", vcpu_track(first), "guest " + guest.name);
        for (VcpuId id = first; id.vcpu < guest.vcpus; ++id.vcpu) {
            name_track("thread", vcpu_track(id), fmt::format("vCPU {}", id.vcpu));
            vcpus_[id].name = fmt::format("{}/{}", guest.name, id.vcpu);
        }
    }
    flush();
}

Result<void> TraceWriter::finish() {
    while (!turns_.empty()) {
        end_turn(turns_.begin()->first, "the trace ends", last_);
    }
    for (const auto& [id, one] : vcpus_) {
        end_wait(id, last_);
        for (const Arrival& arrival : one.arrivals) {
            put_flow('f', arrival.flow, arrival.track, arrival.time);
        }
    }
    flush();
    return file_.result();
}

// ---- Turns and waits ---------------------------------------------------------------------------

TraceWriter::Vcpu& TraceWriter::vcpu(const VcpuId& id) {
    return vcpus_[id];
}

void TraceWriter::begin_wait(const VcpuId& id, Level level, Nanos now) {
    end_wait(id, now);
    vcpu(id).ready_since = now;
    vcpu(id).ready_level = level;
}

void TraceWriter::end_wait(const VcpuId& id, Nanos now) {
    Vcpu& one = vcpu(id);
    if (one.ready_since) {
        open_slice("ready", vcpu_track(id), *one.ready_since, now);
        put(",\"args\":{{\"claim\":{}}}}}", one.ready_level);
        one.ready_since.reset();
    }
}

/// The stretch in which the executor ran work of one level, as sampled.
void TraceWriter::end_running(const Turn& turn, std::uint32_t worker, Nanos now) {
    if (now > turn.running_since) {
        open_slice(level_text(turn.running), worker_track(worker), turn.running_since, now);
        put("}}");
    }
}

void TraceWriter::end_turn(std::uint32_t worker, std::string_view why, Nanos now) {
    const auto found = turns_.find(worker);
    if (found == turns_.end()) {
        return;
    }
    const Turn& turn = found->second;
    Vcpu& one = vcpu(turn.id);
    for (const Arrival& arrival : turn.arrivals) {
        // Who publishes does not wait for who ends the turn: it may be of the next one.
        if (arrival.time <= now) {
            put_flow('f', arrival.flow, worker_track(worker), std::max(arrival.time, turn.begin));
        } else {
            one.arrivals.push_back(arrival);
        }
    }
    end_running(turn, worker, now);
    open_slice(one.name, worker_track(worker), turn.begin, now);
    put(",\"args\":{{\"level\":{},\"due\":{},\"end\":\"{}\"}}}}", turn.level, turn.due, why);
    open_slice(fmt::format("on worker {}", worker), vcpu_track(turn.id), turn.begin, now);
    put(",\"args\":{{\"level\":{}}}}}", turn.level);
    one.worker.reset();
    turns_.erase(found);
}

// ---- Records -----------------------------------------------------------------------------------

void TraceWriter::write(const Event& event) {
    const Nanos now = event.time_ns;
    Vcpu& one = vcpu(event.id);
    switch (event.kind) {
    case EventKind::ready:
        begin_wait(event.id, event.level, now);
        break;
    case EventKind::claim:
        if (one.ready_since) {
            begin_wait(event.id, event.level, now);
        }
        break;
    case EventKind::ran:
    case EventKind::idle:
        if (one.worker) {
            end_turn(*one.worker, event.kind == EventKind::ran ? "it is ready" : "it waits", now);
        }
        if (event.kind == EventKind::ran) {
            begin_wait(event.id, event.level, now);
        }
        break;
    case EventKind::remove:
        if (one.worker) {
            end_turn(*one.worker, "it leaves", now);
        }
        end_wait(event.id, now);
        break;
    case EventKind::add:
    case EventKind::tenant:
        break;
    }
}

void TraceWriter::write(const PickRecord& pick) {
    if (!pick.decision) {
        return;
    }
    const Nanos now = pick.time_ns;
    const VcpuId id = pick.decision->id;
    end_turn(pick.worker, "records are lost", now);
    end_wait(id, now);
    Vcpu& one = vcpu(id);
    one.worker = pick.worker;
    turns_[pick.worker] = {
        .id = id,
        .begin = now,
        .level = pick.decision->level,
        .due = pick.decision->due,
        .running_since = now,
        .looked = now,
        .told = {},
        .arrivals = {},
    };
    for (const Arrival& arrival : std::exchange(one.arrivals, {})) {
        put_flow('f', arrival.flow, worker_track(pick.worker), now);
    }
}

void TraceWriter::write(const PreemptRecord& preempt) {
    if (!preempt.preemption) {
        return;
    }
    const auto found = turns_.find(preempt.preemption->worker);
    if (found == turns_.end() || found->second.told == preempt.preemption) {
        return;
    }
    found->second.told = preempt.preemption;
    open_event(
        'i',
        preempt.preemption->ask ? "asked to yield" : "preempted",
        worker_track(preempt.preemption->worker),
        preempt.time_ns
    );
    put(",\"s\":\"t\",\"args\":{{\"waits\":{}}}}}", preempt.preemption->level);
}

void TraceWriter::write(const LookRecord& look) {
    const auto found = turns_.find(look.worker);
    if (found == turns_.end() || found->second.id != look.id) {
        return;
    }
    Turn& turn = found->second;
    // The sample at the end of a stretch tells what ran in it; one that went idle tells nothing.
    const Level running = look.sample.running < kLevels ? look.sample.running : turn.running;
    if (running != turn.running) {
        end_running(turn, look.worker, turn.looked);
        turn.running = running;
        turn.running_since = turn.looked;
    }
    turn.looked = look.time_ns;
}

void TraceWriter::write(const WakeRecord& wake) {
    open_event(
        'i',
        fmt::format("wake: {}", name_in(kWakeNames, wake.cause)),
        vcpu_track(wake.id),
        wake.time_ns
    );
    put(",\"s\":\"t\",\"args\":{{\"level\":{}}}}}", wake.level);
}

void TraceWriter::write(const RestRecord& rest) {
    open_slice(
        rest.asleep ? "sleeps" : "polls", worker_track(rest.worker), rest.begin_ns, rest.time_ns
    );
    put("}}");
}

void TraceWriter::write(const DoorbellRecord& doorbell) {
    open_event(
        'i',
        doorbell.yields ? "doorbell: yield" : "doorbell: claim",
        worker_track(doorbell.worker),
        doorbell.time_ns
    );
    put(",\"s\":\"t\",\"args\":{{\"vcpu\":\"{}\"}}}}", json_text(vcpu(doorbell.id).name));
}

void TraceWriter::write(const RequestRecord& request) {
    const std::string id =
        fmt::format("{}.{}.{}", request.guest.domain, request.guest.guest, request.token);
    Request& one = requests_[{request.guest, request.token}];
    one.operation = request.operation;
    const Track track = vcpu_track({.domain = request.guest.domain, .guest = request.guest.guest});
    open_event('b', request.operation, track, request.time_ns);
    put(",\"id\":\"{}\",\"args\":{{\"level\":{},\"bytes\":{}}}}}", id, request.level, request.bytes
    );
    if (turns_.contains(request.worker)) {
        one.flow = id;
        put_flow('s', id, worker_track(request.worker), request.time_ns);
    }
}

void TraceWriter::write(const DeliveryRecord& delivery) {
    const auto found = requests_.find({delivery.id.of_guest(), delivery.token});
    if (found != requests_.end()) {
        found->second.reaches = delivery.id;
    }
}

void TraceWriter::write(const CompletionRecord& completion) {
    const auto found = requests_.find({completion.guest, completion.token});
    if (found == requests_.end() || completion.worker == RequestRecord::kNoWorker) {
        return;
    }
    const Request request = found->second;
    requests_.erase(found);
    const std::string_view name = request.operation;
    const Nanos begin = completion.begin_ns;
    const Track track = completion_track(completion.worker);
    open_slice(name, track, begin, completion.time_ns);
    put(",\"args\":{{\"guest\":\"{}\",\"result\":{}}}}}",
        json_text(guests_[completion.guest]),
        completion.result);
    open_event(
        'e',
        name,
        vcpu_track({.domain = completion.guest.domain, .guest = completion.guest.guest}),
        completion.time_ns
    );
    put(",\"id\":\"{}.{}.{}\"}}", completion.guest.domain, completion.guest.guest, completion.token
    );
    if (request.flow.empty()) {
        return;
    }
    if (!request.reaches) {
        put_flow('f', request.flow, track, begin);  // its executor finds it by itself
        return;
    }
    put_flow('t', request.flow, track, begin);
    Vcpu& one = vcpu(*request.reaches);
    const auto turn = one.worker ? turns_.find(*one.worker) : turns_.end();
    auto& arrivals = turn != turns_.end() ? turn->second.arrivals : one.arrivals;
    arrivals.push_back({request.flow, track, begin});
}

}  // namespace

Result<std::unique_ptr<RecordSink>> make_trace_writer(const std::string& path) {
    auto file = RecordFile::open(path, "the trace");
    if (!file) {
        return std::unexpected(std::move(file.error()));
    }
    return std::make_unique<TraceWriter>(std::move(*file));
}

}  // namespace vmm::sched
