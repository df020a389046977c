#include "mpira/model/tensor_memory.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <utility>

#include <c10/core/Allocator.h>
#include <c10/core/Device.h>
#include <c10/core/impl/alloc_cpu.h>
#include <c10/util/Exception.h>

// What is kept counts as freed for the sanitizer: without this, a read of a freed tensor would pass.
#ifdef __has_feature
#define MPIRA_HAS_FEATURE(name) __has_feature(name)
#else
#define MPIRA_HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || MPIRA_HAS_FEATURE(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(first, size) static_cast<void>(first)
#define ASAN_UNPOISON_MEMORY_REGION(first, size) static_cast<void>(first)
#endif

namespace mpira::model {
namespace {

constexpr std::size_t kMostKept = std::size_t{1} << 29U;
constexpr std::size_t kAlignment = 64;  // LibTorch's
constexpr unsigned kStepBits = 4;       // 8 sizes from one power of two to the next

/// Lies before the bytes of a tensor, in a place that keeps them aligned.
struct alignas(kAlignment) Block {
    std::size_t size;   // with this
    std::size_t shelf;  // of its size
    Block* next;        // on the shelf

    void* bytes() { return this + 1; }
    [[nodiscard]] std::size_t room() const { return size - sizeof(Block); }
};

/// Blocks of about the same size, the last freed on top: its lines may still be in the cache.
class Shelves final : public c10::Allocator {
public:
    c10::DataPtr allocate(std::size_t count) override {
        void* bytes = nullptr;
        if (count > 0) bytes = take(count).bytes();
        return {bytes, bytes, &give_back, c10::Device(c10::kCPU)};
    }
    [[nodiscard]] c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
    void copy_data(void* to, void const* from, std::size_t count) const override {
        default_copy_data(to, from, count);
    }

    [[nodiscard]] std::size_t kept() {
        std::scoped_lock const lock(mutex_);
        return kept_;
    }

    static Shelves& of_process() {
        static auto& shelves = *new Shelves;  // tensors may live longer than anything static
        return shelves;
    }

private:
    static void give_back(void* bytes) {
        if (bytes != nullptr) of_process().keep(*(static_cast<Block*>(bytes) - 1));
    }

    Block& take(std::size_t count) {
        auto const least = count + sizeof(Block);
        auto const power = static_cast<unsigned>(std::bit_width(least - 1));
        auto const shift = std::max(power, 6 + kStepBits) - kStepBits;  // at least a cache line
        auto const steps = ((least - 1) >> shift) + 1;
        auto const shelf = shift << (kStepBits + 1) | steps;
        {
            std::scoped_lock const lock(mutex_);
            if (auto* const block = shelves_[shelf]) {
                shelves_[shelf] = block->next;
                kept_ -= block->size;
                ASAN_UNPOISON_MEMORY_REGION(block->bytes(), count);
                return *block;
            }
        }
        auto const size = steps << shift;
        auto* const block = new (allocate_block(size)) Block{size, shelf, nullptr};
        ASAN_POISON_MEMORY_REGION(static_cast<char*>(block->bytes()) + count, block->room() - count);
        return *block;
    }

    /// What is kept goes before memory runs out.
    void* allocate_block(std::size_t size) {
        try {
            return c10::alloc_cpu(size);
        } catch (c10::Error const&) {
            {
                std::scoped_lock const lock(mutex_);
                if (kept_ == 0) throw;
                clear();
            }
            return c10::alloc_cpu(size);
        }
    }

    void keep(Block& block) {
        ASAN_POISON_MEMORY_REGION(block.bytes(), block.room());
        if (block.size > kMostKept) return free(block);
        std::scoped_lock const lock(mutex_);
        if (kept_ + block.size > kMostKept) clear();
        kept_ += block.size;
        block.next = std::exchange(shelves_[block.shelf], &block);
    }

    void clear() {
        for (auto& top : shelves_) {
            while (top != nullptr) free(*std::exchange(top, top->next));
        }
        kept_ = 0;
    }
    static void free(Block& block) {
        ASAN_UNPOISON_MEMORY_REGION(block.bytes(), block.room());
        c10::free_cpu(&block);
    }

    std::mutex mutex_;
    std::array<Block*, 64U << (kStepBits + 1)> shelves_{};
    std::size_t kept_ = 0;
};

}  // namespace

void keep_freed_tensors() {
    constexpr std::uint8_t kBeforeLibTorchs = 100;
    c10::SetAllocator(c10::kCPU, &Shelves::of_process(), kBeforeLibTorchs);
}

std::size_t kept_tensor_bytes() {
    return Shelves::of_process().kept();
}

}  // namespace mpira::model
