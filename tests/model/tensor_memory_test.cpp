#include "mpira/model/tensor_memory.hpp"

#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

namespace {

using namespace mpira::model;

class TensorMemory : public testing::Test {
protected:
    static void SetUpTestSuite() { keep_freed_tensors(); }

    static at::Tensor bytes(std::int64_t count) { return at::empty({count}, at::kByte); }
};

TEST_F(TensorMemory, AFreedTensorsMemoryIsTheNextOnesOfItsSize) {
    for (std::int64_t const count : {1, 64, 65, 5'000, 123'457, 3'000'000, 79'000'000}) {
        auto first = bytes(count);
        auto const* const where = first.const_data_ptr();
        first.reset();
        EXPECT_EQ(bytes(count).const_data_ptr(), where) << count;
    }
}

TEST_F(TensorMemory, TensorsAreAlignedForVectorsAndApartFromEachOther) {
    std::vector<at::Tensor> all;
    for (std::int64_t count = 1; count < 40'000; count = count * 9 / 8 + 1) {
        all.push_back(at::full({count}, count % 251, at::kByte));
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(all.back().const_data_ptr()) % 64, 0U) << count;
    }
    for (auto const& tensor : all) EXPECT_TRUE(tensor.eq(tensor.numel() % 251).all().item<bool>());
}

TEST_F(TensorMemory, NothingIsAskedForOfNoBytes) {
    EXPECT_EQ(bytes(0).numel(), 0);
    EXPECT_EQ(bytes(0).clone().numel(), 0);
}

TEST_F(TensorMemory, WhatIsKeptHasABound) {  // address space only: nobody writes into these
    constexpr std::size_t kBound = std::size_t{1} << 29U;
    auto const before = kept_tensor_bytes();
    bytes(1'000'000).reset();
    EXPECT_GE(kept_tensor_bytes(), 1'000'000U);
    EXPECT_LE(kept_tensor_bytes() - before, 1'200'000U);
    {
        std::vector<at::Tensor> held;
        for (int i = 0; i < 4; ++i) held.push_back(bytes(200'000'000));
    }
    EXPECT_GE(kept_tensor_bytes(), 200'000'000U);
    EXPECT_LE(kept_tensor_bytes(), kBound);
    auto const kept = kept_tensor_bytes();
    bytes(std::int64_t{3} << 28U).reset();  // alone above it
    EXPECT_EQ(kept_tensor_bytes(), kept);
}

TEST_F(TensorMemory, ThreadsShareIt) {
    std::vector<std::thread> threads;
    std::vector<int> wrong(4, 0);
    for (std::size_t t = 0; t < wrong.size(); ++t) {
        threads.emplace_back([&wrong, t] {
            std::vector<at::Tensor> held;
            for (std::int64_t i = 0; i < 3'000; ++i) {
                auto const value = static_cast<std::int64_t>(t) * 50 + i % 50;
                held.push_back(at::full({1 + i * 37 % 9'000}, value, at::kByte));
                if (held.size() < 8) continue;
                auto const& oldest = held.front();
                auto const expected = static_cast<std::int64_t>(t) * 50 + (i - 7) % 50;
                wrong[t] += oldest.eq(expected).all().item<bool>() ? 0 : 1;
                held.erase(held.begin());
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

}  // namespace
