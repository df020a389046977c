#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/store/layout.hpp"

namespace mpira::store {

/// The rows of one unit while it is being computed: zeroed buffers, one a RowArray.
class UnitRows {
public:
    UnitRows(ResultLayout const& layout, std::uint64_t unit);

    [[nodiscard]] std::uint64_t unit() const noexcept { return unit_; }
    [[nodiscard]] std::uint64_t first_row() const noexcept { return first_row_; }
    [[nodiscard]] std::uint64_t row_count() const noexcept { return row_count_; }

    /// The whole buffer of a RowArray, row_count() x row_shape. T must have the size of the array's type.
    template <typename T>
    [[nodiscard]] std::span<T> array(std::string_view path) {
        auto const bytes = raw(path, sizeof(T));
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): vectors of bytes come from operator
        // new, aligned for any scalar
        return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
    }
    [[nodiscard]] std::span<std::byte> raw(std::size_t array_index) { return buffers_.at(array_index); }
    [[nodiscard]] std::span<std::byte const> raw(std::size_t array_index) const {
        return buffers_.at(array_index);
    }
    [[nodiscard]] std::uint64_t byte_count() const;

private:
    std::span<std::byte> raw(std::string_view path, std::size_t element_size);
    ResultLayout const* layout_;
    std::uint64_t unit_;
    std::uint64_t first_row_;
    std::uint64_t row_count_;
    std::vector<std::vector<std::byte>> buffers_;
};

/// Read access to the finished rows, and write access to the FixedArrays left empty, for Job::finish.
class FinishedRows {
public:
    virtual ~FinishedRows() = default;
    /// All rows of a RowArray, straight from the file.
    [[nodiscard]] virtual std::span<std::byte const> rows(std::string_view path) const = 0;
    /// The bytes of a FixedArray; what is written here goes into the file when finish() returns.
    [[nodiscard]] virtual std::span<std::byte> fixed(std::string_view path) = 0;

    /// The same as values. T must be what the array's type says.
    template <typename T>
    [[nodiscard]] std::span<T const> array(std::string_view path) const {
        auto const bytes = rows(path);
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as in UnitRows::array
        return {reinterpret_cast<T const*>(bytes.data()), bytes.size() / sizeof(T)};
    }
    template <typename T>
    [[nodiscard]] std::span<T> fixed_array(std::string_view path) {
        auto const bytes = fixed(path);
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as in UnitRows::array
        return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
    }
};

/// One kind of work: how much there is, what it leaves in the file, and a piece of it. Knows nothing of
/// ranks.
///
/// run() gives the same bytes for the same unit whichever rank runs it, in whatever order and after whatever
/// restart: resume, retry and the rank-count tests rest on that. Threads: one at a time, always the same one.
class Job {
public:
    Job() = default;
    Job(Job const&) = delete;
    Job& operator=(Job const&) = delete;
    virtual ~Job() = default;

    [[nodiscard]] virtual ResultLayout const& layout() const = 0;
    [[nodiscard]] virtual ResultTables tables()
        const = 0;  ///< called on one rank, once, when the file is created
    /// Any positive number, comparable between units of this job: longest predicted first.
    [[nodiscard]] virtual double relative_cost(std::uint64_t unit) const = 0;
    /// Looks at `stop` at least every second or so (between micro-batches) and leaves by throwing
    /// Error(Origin::stopped) when it is requested: the unit is then dropped and run again by the next start.
    virtual void run(std::uint64_t unit, UnitRows& rows, std::stop_token stop) = 0;
    /// Seconds a relative cost of 1 takes here, from a short measurement of a piece of a unit: for planning,
    /// where whole units would take too long. Nothing: a unit is short, run some.
    virtual std::optional<double> measured_seconds_per_cost() { return std::nullopt; }
    /// After all units are done, in one process: what needs all rows (column maxima). Must be repeatable.
    virtual void finish(FinishedRows& /*rows*/) {}
    /// A line for people about what this job found, printed at the start by rank 0 ("4,203 regions x 286
    /// features").
    [[nodiscard]] virtual std::string describe() const = 0;
};

}  // namespace mpira::store
