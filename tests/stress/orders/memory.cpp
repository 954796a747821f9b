// SPDX-License-Identifier: Apache-2.0
#include "memory.hpp"

#include <algorithm>
#include <cstdio>

namespace explorer {

void Knowledge::join(const Knowledge& other, unsigned words) {
    for (unsigned i = 0; i < words; ++i) {
        seen[i] = std::max(seen[i], other.seen[i]);
    }
    for (unsigned i = 0; i < kThreads; ++i) {
        clock[i] = std::max(clock[i], other.clock[i]);
    }
}

void Memory::begin() {
    numbers_.clear();
    used_words_ = shared_count_ = 0;
    shared_ = {};
    totally_loaded_ = {};
}

void Memory::restart(unsigned threads) {
    ++run_;
    pool_used_ = 0;
    total_ = {};
    for (unsigned i = 0; i < threads; ++i) {
        threads_[i] = {};
        threads_[i].now.clock[i] = 1;
    }
    shadows_.resize(Arena::bytes() / 4);
}

unsigned Memory::word_of(const void* at) {
    const auto [place, added] = numbers_.try_emplace(reinterpret_cast<std::uintptr_t>(at), 0);
    if (added) {
        if (used_words_ == kWords) {
            std::fputs("explorer: more atomic words than kWords\n", stderr);
            std::abort();
        }
        place->second = used_words_++;
    }
    return place->second;
}

void Memory::note_sharing(unsigned word) {
    const Word& w = words_[word];
    const unsigned all = w.readers | w.writers;
    if (w.writers != 0 && (all & (all - 1)) != 0 && !shared_[word]) {
        shared_[word] = true;
        ++shared_count_;
    }
}

unsigned
Memory::choices(unsigned thread, unsigned word, const void* at, unsigned size, bool total) {
    std::uint64_t value = 0;
    __builtin_memcpy(&value, at, size);
    Word& w = words_[word];
    if (w.run != run_) {
        w.run = run_;
        w.stores.clear();
        w.readers = w.writers = w.last_total = 0;
        w.stores.push_back({value, 0});
        if (Arena::offset(at) == ~std::size_t{0}) {
            statics_.push_back({const_cast<void*>(at), size, value});
        }
    } else if (w.stores.back().value != value) {
        w.stores.push_back({value, 0});  // stored plainly; shadows say whether that is a race
        threads_[thread].now.seen[word] = static_cast<std::uint16_t>(w.stores.size() - 1);
    }
    w.readers |= 1u << thread;
    note_sharing(word);
    const auto newest = static_cast<unsigned>(w.stores.size()) - 1;
    const unsigned oldest =
        std::max<unsigned>(threads_[thread].now.seen[word], total ? w.last_total : 0);
    return std::min(newest - oldest + 1, kRemembered);
}

std::uint64_t Memory::load(unsigned thread, unsigned word, unsigned age, bool acquire) {
    const Word& w = words_[word];
    const auto number = static_cast<unsigned>(w.stores.size()) - 1 - age;
    const Store& store = w.stores[number];
    ThreadMemory& t = threads_[thread];
    t.now.seen[word] = static_cast<std::uint16_t>(number);
    if (store.knowledge != 0) {
        const Knowledge& told = pool_[store.knowledge - 1];
        (acquire ? t.now : t.at_acquire).join(told, used_words_);
    }
    return store.value;
}

Knowledge& Memory::new_knowledge(unsigned& index) {
    if (pool_used_ == pool_.size()) {
        pool_.emplace_back();
    }
    index = static_cast<unsigned>(++pool_used_);
    return pool_[pool_used_ - 1];
}

void Memory::restore_statics() {
    for (const Static& one : statics_) {
        __builtin_memcpy(one.at, &one.value, one.size);
    }
    statics_.clear();
}

void Memory::store(unsigned thread, unsigned word, std::uint64_t value, StoreOrder order) {
    Word& w = words_[word];
    ThreadMemory& t = threads_[thread];
    w.writers |= 1u << thread;
    note_sharing(word);
    t.now.seen[word] = static_cast<std::uint16_t>(w.stores.size());
    unsigned index = 0;
    // A change of the word hands on what the store before it did: the release sequence.
    const unsigned before = order.change ? w.stores.back().knowledge : 0;
    Knowledge& knowledge = new_knowledge(index);
    knowledge = order.release ? t.now : t.at_release;
    if (before != 0) {
        knowledge.join(pool_[before - 1], used_words_);
    }
    if (order.total) {
        w.last_total = static_cast<unsigned>(w.stores.size());
    }
    w.stores.push_back({value, index});
    ++t.now.clock[thread];
}

void Memory::fence(unsigned thread, bool acquire, bool release, bool total) {
    ThreadMemory& t = threads_[thread];
    if (acquire) {
        t.now.join(t.at_acquire, used_words_);
    }
    if (total) {
        // Orders what is seen; it makes nothing happen before anything by itself.
        for (unsigned i = 0; i < used_words_; ++i) {
            total_.seen[i] = t.now.seen[i] = std::max(total_.seen[i], t.now.seen[i]);
        }
    }
    if (release) {
        t.at_release = t.now;
        ++t.now.clock[thread];
    }
}

unsigned Memory::tell(unsigned thread, unsigned message) {
    if (message == 0) {
        new_knowledge(message) = {};
    }
    pool_[message - 1].join(threads_[thread].now, used_words_);
    ++threads_[thread].now.clock[thread];
    return message;
}

void Memory::learn(unsigned thread, unsigned message) {
    if (message != 0) {
        threads_[thread].now.join(pool_[message - 1], used_words_);
    }
}

Memory::Shadow& Memory::shadow_of(std::uintptr_t granule) {
    Shadow& shadow = shadows_[granule];
    if (shadow.run != run_) {
        shadow = {};
        shadow.run = run_;
    }
    return shadow;
}

bool Memory::happened_before(const Clock& what, unsigned thread) const {
    const Clock& known = threads_[thread].now.clock;
    for (unsigned i = 0; i < kThreads; ++i) {
        if (i != thread && what[i] > known[i]) {
            return false;
        }
    }
    return true;
}

bool Memory::plain(unsigned thread, const void* at, std::size_t bytes, bool write) {
    const std::size_t offset = Arena::offset(at);
    if (offset == ~std::size_t{0}) {
        return true;  // stacks
    }
    const std::uint32_t time = threads_[thread].now.clock[thread];
    bool fine = true;
    for (std::size_t granule = offset / 4; granule <= (offset + bytes - 1) / 4; ++granule) {
        Shadow& shadow = shadow_of(granule);
        fine = fine && happened_before(shadow.plain_writes, thread)
               && happened_before(shadow.atomic_writes, thread);
        if (write) {
            fine = fine && happened_before(shadow.plain_reads, thread)
                   && happened_before(shadow.atomic_reads, thread);
        }
        (write ? shadow.plain_writes : shadow.plain_reads)[thread] = time;
    }
    return fine;
}

bool Memory::atomic_is_no_race(unsigned thread, const void* at, bool write) {
    const std::size_t offset = Arena::offset(at);
    if (offset == ~std::size_t{0}) {
        return true;
    }
    Shadow& shadow = shadow_of(offset / 4);
    const std::uint32_t time = threads_[thread].now.clock[thread];
    (write ? shadow.atomic_writes : shadow.atomic_reads)[thread] = time;
    return happened_before(shadow.plain_writes, thread)
           && (!write || happened_before(shadow.plain_reads, thread));
}

}  // namespace explorer
