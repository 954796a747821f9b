// SPDX-License-Identifier: Apache-2.0
#include "sched/record/decision_writer.hpp"

#include "sched/record/json_text.hpp"
#include "sched/record/names.hpp"

#include <fmt/format.h>

#include <iterator>
#include <string_view>
#include <utility>

namespace vmm::sched {
namespace {

class DecisionWriter final : public RecordSink {
public:
    explicit DecisionWriter(RecordFile file)
        : file_(std::move(file)) {}

    void begin(const RunFacts& facts) override;
    void add(const Record& record) override {
        std::visit([this](const auto& one) { write(one); }, record);
        constexpr std::size_t kPiece = 1 << 18;
        if (text_.size() >= kPiece) {
            flush();
        }
    }
    void lost(std::uint64_t count) override { put("{{\"lost\":{}}}\n", count); }
    void flush() override {
        file_.write(text_);
        text_.clear();
    }
    Result<void> finish() override {
        put("{{\"end\":true}}\n");
        flush();
        return file_.result();
    }

private:
    template <class... Values>
    void put(fmt::format_string<const Values&...> format, const Values&... values) {
        fmt::format_to(std::back_inserter(text_), format, values...);
    }
    void put_id(std::string_view key, const VcpuId& id) {
        put("\"{}\":[{},{},{}]", key, id.domain, id.guest, id.vcpu);
    }
    void put_terms(const TenantTerms& terms);
    void put_words(const ClaimSample& sample);
    /// What was seen last of a vCPU's words; nothing before a look.
    void put_last_words(const VcpuId& id) {
        if (const auto seen = seen_.find(id); seen != seen_.end()) {
            put_words(seen->second);
        }
    }

    void write(const Event& event);
    void write(const PickRecord& pick);
    void write(const PreemptRecord& preempt);
    void write(const LookRecord& look);
    void write(const WakeRecord& wake);
    // No decision follows from these.
    void write(const RestRecord& /*rest*/) {}
    void write(const DoorbellRecord& /*doorbell*/) {}
    void write(const RequestRecord& /*request*/) {}
    void write(const DeliveryRecord& /*delivery*/) {}
    void write(const CompletionRecord& /*completion*/) {}

    RecordFile file_;
    std::string text_;
    std::map<VcpuId, ClaimSample> seen_;  // last look at each
};

void DecisionWriter::begin(const RunFacts& facts) {
    put("{{\"cops_decisions\":{},\"policy\":\"{}\",\"quantum_ns\":{},\"workers\":{},",
        kDecisionsVersion,
        json_text(facts.policy),
        facts.of_policy.quantum_ns,
        facts.workers);
    put("\"grace_ns\":{},\"section_ns\":{},\"tick_ns\":{},\"guests\":[",
        facts.grace_ns,
        facts.section_ns,
        facts.tick_ns);
    std::string_view separator;
    for (const RunFacts::GuestFacts& guest : facts.guests) {
        put("{}{{\"domain\":{},\"guest\":{},\"name\":\"{}\",\"vcpus\":{},",
            separator,
            guest.id.domain,
            guest.id.guest,
            json_text(guest.name),
            guest.vcpus);
        put_terms(guest.terms);
        put("}}");
        separator = ",";
    }
    put("]}}\n");
    flush();
}

void DecisionWriter::put_terms(const TenantTerms& terms) {
    put("\"terms\":{{\"base_level\":{},\"ceiling\":{},\"weight\":{},\"budget_rate\":{},"
        "\"budget_burst_ns\":{},\"share\":{}}}",
        terms.base_level,
        terms.ceiling,
        terms.weight,
        terms.budget_rate,
        terms.budget_burst_ns,
        terms.share);
}

void DecisionWriter::put_words(const ClaimSample& sample) {
    put(",\"board\":\"{:#x}\",\"line\":\"{:#x}\",\"wake_pending\":\"{:#x}\",\"running\":{}",
        sample.board,
        sample.line,
        sample.wake_pending,
        sample.running);
}

void DecisionWriter::write(const Event& event) {
    put("{{\"t\":{},\"event\":\"{}\",", event.time_ns, name_in(kEventNames, event.kind));
    put_id("vcpu", event.id);
    switch (event.kind) {
    case EventKind::add:
    case EventKind::tenant:
        put(",");
        put_terms(event.terms);
        break;
    case EventKind::remove:
        seen_.erase(event.id);
        break;
    case EventKind::ready:
    case EventKind::claim:
        put(",\"level\":{},\"awaited\":{}", event.level, event.awaited);
        put_last_words(event.id);
        break;
    case EventKind::ran:
    case EventKind::idle:
        put(",\"level\":{},\"awaited\":{},\"worker\":{},\"ran_ns\":{}",
            event.level,
            event.awaited,
            event.worker,
            event.ran_ns);
        put_last_words(event.id);
        break;
    }
    put("}}\n");
}

void DecisionWriter::write(const PickRecord& pick) {
    put("{{\"t\":{},\"worker\":{},", pick.time_ns, pick.worker);
    if (pick.decision) {
        put_id("pick", pick.decision->id);
        put(",\"level\":{},\"slice_ns\":{},\"due\":{}",
            pick.decision->level,
            pick.decision->slice_ns,
            pick.decision->due);
        put_last_words(pick.decision->id);
    } else {
        put("\"pick\":null");
    }
    put("}}\n");
}

void DecisionWriter::write(const PreemptRecord& preempt) {
    put("{{\"t\":{},", preempt.time_ns);
    if (preempt.preemption) {
        put_id("preempt", preempt.preemption->victim);
        put(",\"worker\":{},\"level\":{},\"ask\":{}",
            preempt.preemption->worker,
            preempt.preemption->level,
            preempt.preemption->ask);
        put_last_words(preempt.preemption->victim);
    } else {
        put("\"preempt\":null");
    }
    put("}}\n");
}

void DecisionWriter::write(const LookRecord& look) {
    seen_[look.id] = look.sample;
    put("{{\"t\":{},", look.time_ns);
    put_id("look", look.id);
    if (look.worker != LookRecord::kNobody) {
        put(",\"worker\":{},\"exit\":\"{}\",\"off_ns\":{}",
            look.worker,
            name_in(kExitNames, look.exit),
            look.off_ns);
    }
    put(",\"level\":{},\"critical\":{}", look.sample.level, look.sample.critical);
    put_words(look.sample);
    put("}}\n");
}

void DecisionWriter::write(const WakeRecord& wake) {
    put("{{\"t\":{},", wake.time_ns);
    put_id("wake", wake.id);
    put(",\"cause\":\"{}\",\"level\":{}}}\n", name_in(kWakeNames, wake.cause), wake.level);
}

}  // namespace

Result<std::unique_ptr<RecordSink>> make_decision_writer(const std::string& path) {
    auto file = RecordFile::open(path, "the decisions");
    if (!file) {
        return std::unexpected(std::move(file.error()));
    }
    return std::make_unique<DecisionWriter>(std::move(*file));
}

}  // namespace vmm::sched
