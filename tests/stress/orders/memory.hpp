// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "explorer.hpp"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <unordered_map>
#include <vector>

/// C++'s memory order without load buffering, as an abstract machine: each atomic word keeps its
/// stores in order, each thread knows how much of each word it cannot miss any more, and stores,
/// loads and fences hand such knowledge on. New stores come last in their word's order, so what
/// needs stores to be ordered against their execution (2+2W) is not found.
namespace explorer {

inline constexpr unsigned kWords = 512;  // atomic words of one scenario

/// Memory of the explorer itself, whatever operator new does meanwhile (arena.cpp).
template <typename T>
struct OwnMemory {
    using value_type = T;
    OwnMemory() = default;
    template <typename U>
    explicit OwnMemory(const OwnMemory<U>&) {}
    T* allocate(std::size_t n) { return static_cast<T*>(std::malloc(n * sizeof(T))); }
    void deallocate(T* at, std::size_t) { std::free(at); }
    bool operator==(const OwnMemory&) const = default;
};
template <typename T>
using OwnVector = std::vector<T, OwnMemory<T>>;

using Clock = std::array<std::uint32_t, kThreads>;

/// What a thread, or who reads a message, cannot miss.
struct Knowledge {
    std::array<std::uint16_t, kWords> seen{};  // by word: number of the last store known of
    Clock clock{};                             // by thread: up to where it happened before

    void join(const Knowledge& other, unsigned words);
};

struct ThreadMemory {
    Knowledge now;
    Knowledge at_acquire;  // what an acquire fence would add
    Knowledge at_release;  // as of the last release fence
};

class Memory {
public:
    /// Another scenario.
    void begin();
    /// Forgets all stores; the numbers of words stay, and which of them are shared.
    void restart(unsigned threads);

    unsigned word_of(const void* at);
    /// The scenario's threads meet at this word, in some execution seen so far.
    [[nodiscard]] bool is_shared(unsigned word) const { return shared_[word]; }
    [[nodiscard]] unsigned shared_words() const { return shared_count_; }

    /// How many values a load may give, the newest first.
    unsigned choices(unsigned thread, unsigned word, const void* at, unsigned size, bool total);
    std::uint64_t load(unsigned thread, unsigned word, unsigned age, bool acquire);
    struct StoreOrder {
        bool release;
        bool total;
        bool change;  // reads and writes at once
    };
    void store(unsigned thread, unsigned word, std::uint64_t value, StoreOrder order);
    void note_total_load(unsigned word) { totally_loaded_[word] = true; }
    [[nodiscard]] bool is_totally_loaded(unsigned word) const { return totally_loaded_[word]; }
    /// Words outside of the arena get the values that they had before the execution.
    void restore_statics();
    void fence(unsigned thread, bool acquire, bool release, bool total);
    /// The machine's own synchronisation: adds what a thread knows to a message (0: a new one), and
    /// makes a message known to a thread.
    unsigned tell(unsigned thread, unsigned message);
    void learn(unsigned thread, unsigned message);

    /// False: it races with what another thread did.
    bool plain(unsigned thread, const void* at, std::size_t bytes, bool write);
    bool atomic_is_no_race(unsigned thread, const void* at, bool write);

private:
    static constexpr unsigned kRemembered = 3;  // values a load may choose from

    struct Store {
        std::uint64_t value = 0;
        unsigned knowledge = 0;  // index + 1 into pool_; 0: hands nothing on
    };
    struct Word {
        OwnVector<Store> stores;
        unsigned run = 0;
        unsigned last_total = 0;  // store that a sequentially consistent load cannot miss
        unsigned readers = 0;     // bits of threads
        unsigned writers = 0;
    };
    /// Of four bytes of memory.
    struct Shadow {
        unsigned run = 0;
        Clock plain_reads{};
        Clock plain_writes{};
        Clock atomic_reads{};
        Clock atomic_writes{};
    };

    Shadow& shadow_of(std::uintptr_t granule);
    [[nodiscard]] bool happened_before(const Clock& what, unsigned thread) const;
    void note_sharing(unsigned word);
    Knowledge& new_knowledge(unsigned& index);

    unsigned run_ = 0;
    unsigned used_words_ = 0;
    unsigned shared_count_ = 0;
    std::array<ThreadMemory, kThreads> threads_;
    Knowledge total_;  // of all sequentially consistent fences
    std::unordered_map<
        std::uintptr_t,
        unsigned,
        std::hash<std::uintptr_t>,
        std::equal_to<>,
        OwnMemory<std::pair<const std::uintptr_t, unsigned>>>
        numbers_;
    std::array<Word, kWords> words_;
    std::array<bool, kWords> shared_{};
    std::array<bool, kWords> totally_loaded_{};
    struct Static {
        void* at;
        unsigned size;
        std::uint64_t value;
    };
    OwnVector<Static> statics_;
    OwnVector<Knowledge> pool_;
    std::size_t pool_used_ = 0;
    OwnVector<Shadow> shadows_;
};

/// The scenario's memory: every execution finds its objects at the same addresses.
class Arena {
public:
    static void begin();  // from here on operator new takes from it
    static void end();
    static void reset();
    /// Offset of an address, or ~0 outside.
    static std::size_t offset(const void* at);
    static std::size_t bytes();
};

}  // namespace explorer
