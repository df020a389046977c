#include "mpira/store/result_rows.hpp"

#include <cstring>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/float16.hpp"

#include "store/unit_source.hpp"

namespace mpira::store {
namespace {

template <typename T>
void widen(std::span<std::byte const> bytes, std::span<double> values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
        T value;
        std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
        values[i] = static_cast<double>(value);
    }
}

}  // namespace

struct ResultRows::State {
    explicit State(std::filesystem::path const& file) : source(file) {}
    [[nodiscard]] std::size_t number(std::string_view path) const {
        auto const& arrays = source.map().layout.row_arrays;
        for (std::size_t i = 0; i < arrays.size(); ++i)
            if (arrays[i].path == path) return i;
        fail_usage(fmt::format("{} has no {}", source.file().string(), path));
    }
    UnitSource source;
    std::vector<std::byte> bytes;  ///< of the last read as doubles
};

ResultRows::ResultRows(std::filesystem::path const& file) : state_(std::make_unique<State>(file)) {}
ResultRows::ResultRows(ResultRows&&) noexcept = default;
ResultRows& ResultRows::operator=(ResultRows&&) noexcept = default;
ResultRows::~ResultRows() = default;

ResultLayout const& ResultRows::layout() const noexcept {
    return state_->source.map().layout;
}

bool ResultRows::finished() const noexcept {
    return state_->source.map().finished;
}

RowArray const* ResultRows::find(std::string_view path) const noexcept {
    for (auto const& array : layout().row_arrays)
        if (array.path == path) return &array;
    return nullptr;
}

void ResultRows::read(std::string_view path, std::uint64_t first, std::uint64_t count,
                      std::vector<std::byte>& bytes) const {
    state_->source.read_rows(state_->number(path), first, count, bytes);
}

void ResultRows::read(std::string_view path, std::uint64_t first, std::uint64_t count,
                      std::vector<double>& values) const {
    auto& bytes = state_->bytes;
    read(path, first, count, bytes);
    auto const type = find(path)->type;
    values.resize(bytes.size() / size_of(type));
    switch (type) {
        case Type::boolean:
        case Type::u8:
            return widen<std::uint8_t>(bytes, values);
        case Type::i32:
            return widen<std::int32_t>(bytes, values);
        case Type::i64:
            return widen<std::int64_t>(bytes, values);
        case Type::f32:
            return widen<float>(bytes, values);
        case Type::f64:
            return widen<double>(bytes, values);
        case Type::f16:
        case Type::bf16:
            break;
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
        std::uint16_t half = 0;
        std::memcpy(&half, bytes.data() + i * sizeof half, sizeof half);
        values[i] = static_cast<double>(type == Type::f16 ? from_float16(half) : from_bfloat16(half));
    }
}

std::vector<bool> ResultRows::done() const {
    std::vector<bool> all(layout().rows);
    std::vector<std::byte> unit_done;
    for (std::uint64_t unit = 0; unit < layout().units(); ++unit) {
        state_->source.read_done(unit, unit_done);
        for (std::uint64_t i = 0; i < unit_done.size(); ++i)
            all[layout().first_row(unit) + i] = unit_done[i] != std::byte{0};
    }
    return all;
}

}  // namespace mpira::store
